"""What a step computes with is compiled as a few whole graphs, and computes the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# In a process of its own: the shape checks that tests are run with are no part of any graph.
CODE = """
import sys
from pathlib import Path
import torch
from torch._dynamo.utils import counters
from contextssl.data.environments import environments_of
from contextssl.data.pair_sampler import PairSampler
from contextssl.randomness import seeded_generator
from contextssl.training.loss import Objective, loss_of
from contextssl.training.run import fresh_model
from tests.training.runs import tiny_settings, toy_data

context, folder = sys.argv[1:]
data = toy_data(Path(folder) / "store", **({"grid": (2, 3)} if context == "examples" else {}))
settings = tiny_settings(context=context)
mix = environments_of(settings, data.train.factors)
sampler = PairSampler(data.train, mix, settings.batch_size, settings.block_size, context=context)
plain, compiled = (fresh_model(settings, data, None).train() for _ in range(2))
# Of the graphs themselves; what inductor makes of them is PyTorch's.
compiled.compile_parts(backend="eager")
for step in range(2):
    batch = sampler.batch(0, step)
    losses = [loss_of(model, batch, Objective.of(settings), seeded_generator(0, step)).total for model in (plain, compiled)]
    losses[1].backward()
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=1e-6)
assert not counters["graph_break"], dict(counters["graph_break"])
assert counters["stats"]["unique_graphs"] == 2, counters["stats"]
assert list(plain.state_dict()) == list(compiled.state_dict())
"""


@pytest.mark.parametrize("context", ["actions", "examples", "evidence"])
def test_no_graph_is_broken(context: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE, context, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
