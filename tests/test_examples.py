"""Every example runs as its first lines say."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from contextssl.cli import main
from contextssl.records.results import read_results

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.long
def test_a_loop_of_ones_own(in_folder: Path) -> None:
    code = (
        "import sys, plain_loop; plain_loop.main(epochs=2, objects=6, batch_size=32)\n"
        "assert not {'lightning', 'hydra'} & set(sys.modules), 'it claims to do without'"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_with_examples(), check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("contrastive ") == 2 and run.stdout.count(" active, R² by kNN: rotation ") == 2
    assert len((EXAMPLES / "plain_loop.py").read_text().splitlines()) < 70


def test_data_and_an_encoder_of_ones_own(in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    doc = (EXAMPLES / "own_data.py").read_text().split('"""')[1].replace("\\\n", " ")
    commands = [shlex.split(line) for line in doc.splitlines() if line.startswith("contextssl ")]
    assert [words[1] for words in commands] == ["train", "evaluate", "report"]
    short = {"train": ["epochs=1", "val_pairs=32"], "evaluate": ["contexts=1", "train_items=60"], "report": []}
    for _, command, *words in commands:
        assert main([command, *words, *short[command]]) == 0
    assert read_results(Path("runs/mine"))[0]["encoder"] == "own"
    assert "report: " in capsys.readouterr().out


def _with_examples() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLES), *filter(None, [os.environ.get("PYTHONPATH")])])}
