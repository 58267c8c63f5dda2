"""Clipping within the step is clipping before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from contextssl import checkpoints
from contextssl.training.gradient_clipping import clip_in_step
from contextssl.training.module import Training
from contextssl.training.run import train
from tests.training.runs import tiny_settings, toy_data


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("most", [1e-3, 0.5, 100.0])
def test_a_fused_step_is_one_of_clipped_gradients(kind: Any, most: float) -> None:
    start, gradients = torch.randn(2, 30, generator=torch.Generator().manual_seed(0)), torch.randn(4, 2, 30)
    before, within = (torch.nn.Parameter(start.clone()) for _ in range(2))
    steps = [kind([weight], lr=0.1, weight_decay=0.1, fused=True) for weight in (before, within)]
    for gradient in gradients:
        before.grad, within.grad = gradient.clone(), gradient.clone()
        torch.nn.utils.clip_grad_norm_([before], most)
        clip_in_step(steps[1], torch.nn.utils.get_total_norm([within.grad]), most)
        for step in steps:
            step.step()
    torch.testing.assert_close(within, before)


def test_a_run_clips_as_a_plain_loop_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, trained = toy_data(tmp_path / "store"), []
    for plain in (False, True):
        if plain:

            def clip(self: Training, optimizer: Any, gradient_clip_val: float | None = None, *_: Any, **__: Any) -> None:
                torch.nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val or 0)

            monkeypatch.setattr(Training, "configure_gradient_clipping", clip)
        settings = tiny_settings(run_dir=str(tmp_path / f"run{plain}"), epochs=3, gradient_clip=0.01, precision="32-true")
        trained.append(checkpoints.load(train(settings, data=data)))
    ours, theirs = (dict(model.named_parameters()) for model in trained)
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name], atol=2e-5, rtol=1e-3)
