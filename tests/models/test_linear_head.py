from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from contextssl.models.linear_head import LinearHead


def test_logits_are_the_loop() -> None:
    head = LinearHead(9, 4)
    unit = F.normalize(torch.randn(5, 2, 9), dim=-1)
    logits = head(unit)
    assert logits.shape == (5, 2, 4) and head(unit[:, 0]).shape == (5, 4)
    for k in range(5):
        for token in range(2):
            for label in range(4):
                expected = sum(
                    float(w) * 3 * float(z) for w, z in zip(head.linear.weight.detach()[label], unit[k, token], strict=True)
                ) + float(head.linear.bias.detach()[label])
                assert float(logits[k, token, label].detach()) == pytest.approx(expected, abs=1e-5)


def test_logits_by_hand() -> None:
    head = LinearHead(4, 2)
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0]]))
        head.linear.bias.copy_(torch.tensor([0.0, -1.0]))
    # √4 × 0.6 and √4 × 0.8 × 5 - 1.
    torch.testing.assert_close(head(torch.tensor([0.6, 0.8, 0.0, 0.0])), torch.tensor([1.2, 7.0]))


def test_fresh_logits_do_not_shrink_with_the_width() -> None:
    """Of a unit embedding alone they would be of order 1 / √D, and the head would take long to say anything."""
    deviations = [float(LinearHead(width, 500)(F.normalize(torch.randn(20, width), dim=-1)).detach().std()) for width in (16, 1024)]
    assert deviations[1] == pytest.approx(deviations[0], rel=0.2) and deviations[1] > 0.4


def test_it_learns_what_a_line_tells() -> None:
    unit = F.normalize(torch.randn(400, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    labels = (unit[:, 0] > 0).long() + 2 * (unit[:, 1] > 0).long()
    head = LinearHead(8, 4)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(100):
        optimiser.zero_grad()
        F.cross_entropy(head(unit), labels).backward()
        optimiser.step()
    assert (head(unit).argmax(1) == labels).float().mean() > 0.95
