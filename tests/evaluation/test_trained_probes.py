"""Probes: batched heads against heads trained alone, ridge against a slow solve, neighbours, noise."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contextssl.evaluation.neighbours import knn_means
from contextssl.evaluation.noise import capacity_nats, noise_deviation, with_noise
from contextssl.evaluation.ridge_regression import PENALTIES, fit_ridge
from contextssl.evaluation.train_heads import StackedHeads, class_loss, regression_loss, train_heads
from contextssl.evaluation.trained_probes import CLASS, HeadTraining, Target, stacks, train_probes, trained_heads
from contextssl.head import HEADS
from contextssl.randomness import seeded_generator

CPU = torch.device("cpu")


def data(heads: int = 3, rows: int = 37, width: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(heads, rows, width, generator=generator)
    y = torch.randn(rows, 2, generator=generator) + x[0, :, :2]
    return x, y, torch.randint(4, (rows,), generator=generator)


def rows_of(x: Tensor, index: Tensor) -> Tensor:
    return x[:, index]


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_heads_together_are_heads_alone(kind: str) -> None:
    x, y, labels = data()
    targets = [Target("color", y, 2), Target(CLASS, labels, 4)]
    training = HeadTraining(epochs=3, batch_size=8, seed=1)

    def read(x: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        inputs = partial(rows_of, x)
        return train_probes(
            HEADS.find(kind), targets, inputs, inputs, count=len(x), width=5, test_rows=x.shape[1], training=training, device=CPU
        )

    together = read(x, targets)
    for head in range(3):
        alone = read(x[head : head + 1], targets)
        for name in together:
            torch.testing.assert_close(together[name][head], alone[name][0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together["color"][0], together["color"][1])


def test_a_head_is_what_a_plain_loop_trains() -> None:
    """One head of the stack against nn.Linear and torch's own Adam, with the same order of rows; the last batch has 37 % 8 = 5."""
    x, y, _ = data(heads=2)
    trained = train_heads(
        partial(rows_of, x),
        37,
        partial(regression_loss, target=y),
        count=2,
        widths=(5, 2),
        epochs=4,
        learning_rate=0.01,
        batch_size=8,
        seed=3,
    )
    for head in range(2):
        plain = nn.Linear(5, 2)
        start = StackedHeads(1, (5, 2), seeded_generator(3, "heads", 2))
        with torch.no_grad():
            plain.weight.copy_(start.weights[0][0].T)
            plain.bias.copy_(start.biases[0][0, 0])
        optimiser = torch.optim.Adam(plain.parameters(), lr=0.01)
        seen = 0
        for epoch in range(4):
            order = torch.randperm(37, generator=seeded_generator(3, "head order", epoch))
            for batch in order.split(8):
                seen += len(batch)
                optimiser.zero_grad()
                F.mse_loss(plain(x[head, batch]), y[batch]).backward()
                optimiser.step()
        assert seen == 4 * 37
        torch.testing.assert_close(trained.predict(partial(rows_of, x), 37)[head], plain(x[head]).detach(), rtol=1e-4, atol=1e-5)


def test_class_loss_is_the_sum_of_each_heads_cross_entropy() -> None:
    output = torch.randn(3, 6, 4)
    target, rows = torch.tensor([0, 1, 2, 3, 0, 1, 2]), torch.tensor([6, 0, 1, 2, 3, 4])
    expected = sum(F.cross_entropy(output[head], target[rows]) for head in range(3))
    torch.testing.assert_close(class_loss(output, rows, target), expected)


def test_which_heads_are_trained_together() -> None:
    """The published probes are trained by themselves: their inputs and pairs differ."""
    assert [head.name for head in trained_heads(list(HEADS.built_in.values()))] == ["mlp", "linear"]


def test_stacks_cover_every_condition_once() -> None:
    assert [i for group in stacks(7, 1 << 30) for i in group] == list(range(7))
    assert [len(group) for group in stacks(7, 1 << 30)] == [2, 2, 2, 1]
    assert [len(group) for group in stacks(2, 1 << 40)] == [1, 1]


def test_ridge_is_the_slow_solve() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 4, generator=generator) @ torch.diag(torch.tensor([3.0, 1.0, 0.3, 0.1])) + 2
    y = torch.stack([x[:, 0] - x[:, 2] + 0.5 * torch.randn(60, generator=generator), torch.randn(60, generator=generator), x[:, 3]], dim=1)
    held = torch.arange(60) % 4 == 0
    ridge = fit_ridge(x, y, held, [slice(0, 1), slice(1, 3)])

    def solve(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
        centred = (x - x.mean(0)).double()
        gram = centred.T @ centred
        unit = gram.diagonal().mean()
        weight = torch.linalg.inv(gram + penalty * unit * torch.eye(4)) @ centred.T @ (y - y.mean(0)).double()
        return weight, y.double().mean(0) - x.double().mean(0) @ weight

    for group, chosen in zip((slice(0, 1), slice(1, 3)), ridge.penalties, strict=True):
        errors = []
        for penalty in PENALTIES:
            weight, bias = solve(x[~held], y[~held], penalty)
            errors.append(float((x[held].double() @ weight + bias - y[held])[:, group].square().sum()))
        assert chosen == PENALTIES[errors.index(min(errors))]
        weight, bias = solve(x, y, chosen)
        torch.testing.assert_close(ridge.weight[:, group], weight[:, group])
        torch.testing.assert_close(ridge.bias[group], bias[group])
    assert ridge.penalties[0] != ridge.penalties[1]  # noise is shrunk, signal is not


def test_ridge_finds_a_line_and_survives_constant_inputs() -> None:
    x = torch.cat([torch.linspace(-1, 1, 20)[:, None], torch.ones(20, 1)], dim=1)
    y = 3 * x[:, :1] + 5
    held = torch.arange(20) >= 15
    torch.testing.assert_close(fit_ridge(x, y, held, [slice(0, 1)]).predict(x), y, rtol=1e-4, atol=1e-4)
    flat = fit_ridge(torch.ones(20, 3), y, held, [slice(0, 1)]).predict(torch.ones(20, 3))
    torch.testing.assert_close(flat, y.mean().expand(20, 1))


def test_neighbours_are_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    bank, queries = torch.randn(30, 6, generator=generator), torch.randn(11, 6, generator=generator)
    targets = torch.randn(30, 2, generator=generator)
    found = knn_means(bank, targets, queries, k=4)
    for query, mean in zip(queries, found, strict=True):
        cosines = [float(F.cosine_similarity(query, other, dim=0)) for other in bank]
        near = sorted(range(30), key=lambda i: -cosines[i])[:4]
        torch.testing.assert_close(mean, targets[near].mean(0))
    torch.testing.assert_close(knn_means(bank, targets, queries, k=100), targets.mean(0).expand(11, 2))


def test_neighbours_of_a_collapsed_model_are_the_whole_bank() -> None:
    """Whatever the last bits of its embeddings."""
    generator = torch.Generator().manual_seed(0)
    bank, queries = (torch.ones(n, 64) * (1 + torch.randint(-2, 3, (n, 64), generator=generator) * 2.0**-23) for n in (30, 11))
    targets = torch.randn(30, 2, generator=generator)
    torch.testing.assert_close(knn_means(bank, targets, queries, k=4), targets.mean(0).expand(11, 2))


def test_noise_has_the_stated_share() -> None:
    unit = F.normalize(torch.randn(20_000, 8, generator=torch.Generator().manual_seed(0)) + 1, dim=-1)
    deviation = noise_deviation(unit, 0.3)
    noise = with_noise(unit, deviation, torch.Generator().manual_seed(1)) - unit
    total = float(unit.var(0, correction=0).sum())
    assert float(noise.square().sum(1).mean()) == pytest.approx(0.3 * total, rel=0.02)
    assert with_noise(unit, 0.0, torch.Generator()) is unit


def test_capacity_by_hand() -> None:
    """Variances 4 and 1 along two axes turned by 45°, noise of variance 0.5: ½ (log 9 + log 3)."""
    axes = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / math.sqrt(2)
    z = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]]) @ axes
    assert capacity_nats(z, math.sqrt(0.5)) == pytest.approx(0.5 * (math.log(9) + math.log(3)), abs=1e-5)
    assert capacity_nats(z, 0.0) == math.inf
    assert capacity_nats(torch.ones(10, 3), 1.0) == pytest.approx(0, abs=1e-9)
