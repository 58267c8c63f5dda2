"""The command line as a user meets it: exit codes, one-line errors, and what the commands leave behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from contextssl.cli import main
from contextssl.commands import COMMANDS
from contextssl.data.folder import write_folder
from contextssl.data.pairs import PairBatch
from contextssl.training.module import Training
from contextssl.version import __version__
from tests.sources import ToySource, toy_store

TINY = [
    "backbone=resnet_compact",
    "width=32",
    "n_layer=1",
    "projection_dim=16",
    "auxiliary_width=16",
    "block_size=8",
    "batch_size=8",
    "epochs=1",
    "log_interval=1",
    "val_pairs=8",
    "eval_ctxt=[0,6]",
    "accelerator=cpu",
    "progress=false",
]


def error_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a command ends in."""
    assert main(words) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if "warning" not in line]
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("contextssl: error: ")
    return lines[0]


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"], ["help"]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert all(name in out for name in COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"contextssl {__version__}"
    for name in COMMANDS:
        assert main([*name.split(), "--help"]) == 0
        usage = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(f"usage: contextssl {name} "))
        assert usage.endswith(" key=value …")
        assert all(setting.upper() in usage for setting in COMMANDS[name].positional)


@pytest.mark.parametrize(
    ("words", "there", "absent"),
    [
        (["train"], ["mask_prob", "env_ratio", "resize"], ["corruption", "crop_area", "classes", "vicreg_coefficients"]),
        (["train", "dataset=adult"], ["corruption", "label", "mask_prob"], ["crop_area", "classes", "resolution"]),
        (["train", "dataset=images", "factors=[crop]"], ["crop_area", "split_file"], ["blur_sigma", "corruption", "classes"]),
        (["train", "method=vicreg"], ["vicreg_coefficients", "projector_width"], ["mask_prob", "n_layer"]),
        (["train", "-m", "method=vicreg", "hydra/launcher=joblib"], ["vicreg_coefficients"], ["mask_prob"]),
        (["demo"], ["classes", "mask_prob"], ["crop_area"]),
        (["evaluate", "retrieval", "runs/lr=0.1"], ["queries", "load_model"], ["heads", "adversaries"]),
        (["evaluate", "geometry", "RUN"], ["bottleneck", "neighbours"], ["adversaries", "queries"]),
    ],
)
def test_help_tells_what_is_read_with_the_choice(
    words: list[str], there: list[str], absent: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert [name for name in there if f"\n  {name}=" not in text] == []
    assert [name for name in absent if f"\n  {name}=" in text] == []
    assert "more settings are not used " in text
    assert main([words[0], *(word for word in words[1:2] if words[0] == "evaluate"), "--help", "all"]) == 0
    everything = capsys.readouterr().out
    assert [name for name in (*there, *absent) if f"  {name}=" not in everything] == []


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_help_is_as_wide_as_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in ([], ["train"], ["evaluate", "all"], ["compare"], ["data", "check"]):
        assert main([*words, "--help"]) == 0
        widest = max(map(len, capsys.readouterr().out.splitlines()))
        assert widest <= max(80, min(columns, 130)), words
        assert widest > 78 or words == [], "lines are used"


def test_help_begins_with_what_everyone_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    titles = [line for line in capsys.readouterr().out.splitlines() if line.endswith(":") and line[:1].isupper()]
    assert titles[:4] == ["Data:", "Method:", "Run:", "Optimisation:"]
    assert main(["train", "dataset=adult", "seed=3", "--help"]) == 0
    text = capsys.readouterr().out
    assert "  experiment=adult " in text and "  backbone=table_mlp " in text and "  seed=3 " in text
    assert main(["demo", "--help", "all"]) == 0
    text = capsys.readouterr().out
    assert "  experiment=shapes_examples " in text and "  backbone=resnet_compact " in text and "  corruption=" in text
    assert main(["train", "dataset=foo", "--help"]) == 2
    assert "unknown dataset 'foo'" in capsys.readouterr().err


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; from contextssl.cli import main; main(['train', '--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "unknown command 'trian': did you mean 'train'"),
        (["data", "chek"], "did you mean 'data check'"),
        (["train", "epoks=3"], "did you mean 'epochs'"),
        (["train"], "give data_dir=DIR.*or train on rendered shapes at once with dataset=shapes"),
        (["train", "data_dir=nowhere"], "nowhere"),
        (["train", "resume=nowhere"], "no run or checkpoint at nowhere"),
        (["train", "dataset=cifar"], "unknown dataset 'cifar'"),
        (["data", "pack"], "contextssl data pack DIR"),
        (["data", "check", "nowhere"], "no folder nowhere"),
        (["data", "shapes", "layout=tar"], "unknown layout 'tar'"),
        (["data", "shapes", "classes=100"], "100.*26"),
        (["data", "shapes", "grid={rotatoin:3}"], "unknown factor 'rotatoin': did you mean 'rotation'"),
        (["data", "shapes", "grid={rotation:1}"], "grid holds 1: it must be at least 2"),
        (["data", "shapes", "grid=rotation:3"], "whole numbers, {a:2,b:3}.*'grid={rotation:3}'"),
        (["data", "check", "a", "b"], "'b' is not a setting"),
        (["data", "check", "-m", "a"], "cannot be swept"),
    ],
)
def test_mistakes_end_in_one_line(in_folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert re.search(message, error_of(capsys, *words))


def test_settings_are_checked_against_the_data(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_store(in_folder / "store", resolution=16)
    here = ["train", *TINY, "data_dir=store", "resolution=16"]
    assert "say resolution=16" in error_of(capsys, *here, "resolution=32")
    assert "unknown backbone 'resnet17': did you mean 'resne" in error_of(capsys, *here, "backbone=resnet17")
    assert "did you mean 'rotation'" in error_of(capsys, *here, "env_ratio={rotaton: 1.0}")
    assert "sum to 1" in error_of(capsys, *here, "env_ratio=[0.5,0.4,0.0]")
    assert "block_size is 7" in error_of(capsys, *here, "block_size=7")
    assert not (in_folder / "runs").exists(), "nothing is begun with settings that cannot be"


def test_shapes_are_rendered_once_and_trained_on(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "dataset=shapes", "classes=2", "objects=4", "val_objects=2", "views=4", "resolution=16", *TINY]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "R² by the auxiliary head" in out and "run folder: runs/shapes-" in out
    (store,) = (in_folder / "datasets").iterdir()
    written = (store / "images.npy").stat().st_mtime_ns
    assert main([*words, "run_dir=runs/second"]) == 0
    assert (store / "images.npy").stat().st_mtime_ns == written
    assert main(["train", "resume=runs/second"]) == 0, "a finished run resumes to its end"
    results = json.loads(Path("runs/second/results.json").read_text())
    assert results["run"]["settings"]["classes"] == 2 and results["rows"]


def test_a_folder_in_the_published_layout(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Checked, packed by hand or on the way to training, to the same data."""
    write_folder(ToySource(), in_folder / "bench", 24, image_format="png", workers=0, progress=False)
    assert main(["data", "check", "bench", "progress=false"]) == 0
    assert (in_folder / "bench-views.png").stat().st_size > 1000
    assert main(["data", "pack", "bench", "packed", "resolution=16", "progress=false"]) == 0
    capsys.readouterr()
    for folder in ("bench", "packed"):
        assert main(["train", f"data_dir={folder}", "resolution=16", f"run_dir=runs/{folder}", *TINY]) == 0
    rows = [json.loads(Path(f"runs/{folder}/results.json").read_text())["rows"] for folder in ("bench", "packed")]
    assert rows[0] == rows[1]
    assert main(["data", "check", "packed", "progress=false"]) == 0


def test_check_finds_damage(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(ToySource(), in_folder / "bench", 24, image_format="png", workers=0, progress=False)
    item = next((in_folder / "bench").glob("kind0/*"))
    (item / "image_1.png").write_bytes(b"no picture")
    np.save(item / "latent_2.npy", np.full(7, np.nan))
    assert main(["data", "check", "bench", "progress=false"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "image_1.png" in out and "latent_2.npy" in out
    assert "image_1.png" in error_of(capsys, "train", "data_dir=bench", "resolution=16", *TINY)


def test_a_sweep_makes_a_run_of_each(in_folder: Path) -> None:
    toy_store(in_folder / "store", resolution=16)
    assert main(["train", "-m", *TINY, "data_dir=store", "resolution=16", "seed=0,1", "output_dir=runs"]) == 0
    seeds = sorted(json.loads(path.read_text())["run"]["seed"] for path in Path("runs").glob("*/results.json"))
    assert seeds == [0, 1]


def test_interruption_is_said_and_exits_130(in_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("contextssl.commands.train_command.train", interrupted)
    assert main(["train"]) == 130
    assert "what was saved is whole" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError("Unable to allocate 7.45 GiB for an array"), "memory is full (7.45 GiB more were asked for): lower batch_size"),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."
            ),
            "memory is full (64 bytes more were asked for): lower batch_size",
        ),
        (
            torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79 GiB.\nSee documentation"
            ),
            "the GPU's memory is full (20.00 MiB more were asked for): lower batch_size",
        ),
        (OSError(12, "Cannot allocate memory"), "memory is full: lower batch_size"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "a process that drew batches was killed"),
    ],
)
@pytest.mark.parametrize("command", ["train", "evaluate all"])
def test_memory_that_runs_out_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, error: BaseException, says: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("contextssl.commands.train_command.train", fails)
    monkeypatch.setattr("contextssl.commands.evaluate_command.evaluate", fails)
    assert main(command.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"contextssl: error: {says}") and said.count("\n") == 1


def test_other_errors_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("mat1 and mat2")

    monkeypatch.setattr("contextssl.commands.train_command.train", fails)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        main(["train"])


def test_signals_end_the_command(in_folder: Path) -> None:
    """SIGTERM while the command loads its libraries or its data, and Ctrl-C in a slow step: one line, in time, nothing half-written."""
    toy_store(in_folder / "store", ToySource(items={"train": 8, "val": 8}), resolution=16)
    words = [*TINY, "data_dir=store", "resolution=16", "epochs=2000", "log_interval=2000", "run_dir=run"]
    for ready, number, code, says in (
        (None, signal.SIGTERM, 143, r"contextssl: interrupted; what was saved is whole\n"),
        (
            "run/checkpoints/last.ckpt",
            signal.SIGTERM,
            143,
            r"contextssl: training stopped at step \d+: resume from its last checkpoint .*resume=run\n",
        ),
    ):
        process = subprocess.Popen([sys.executable, "-m", "contextssl", "train", *words], stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while ready is not None and not Path(ready).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1.5)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == code and re.fullmatch(says, said), said
        assert ready is not None or not Path("run").exists()


def test_a_training_that_is_interrupted_says_how_to_resume(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_store(in_folder / "store", ToySource(items={"train": 8, "val": 8}), resolution=16)
    words = ["train", *TINY, "data_dir=store", "resolution=16", "epochs=3", "run_dir=runs/stopped"]
    step = Training.training_step
    handler = signal.getsignal(signal.SIGINT)
    for stopped_at, how in (
        (0, "it had no checkpoint yet; start it again by the same command"),
        (2, "resume from its last checkpoint with contextssl train resume=runs/stopped"),
    ):

        def interrupted(self: Training, batch: PairBatch, index: int, at: int = stopped_at) -> torch.Tensor:
            if self.global_step == at:
                raise KeyboardInterrupt
            return step(self, batch, index)

        shutil.rmtree("runs/stopped", ignore_errors=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Training, "training_step", interrupted)
            assert main(words) == 130
        assert f"contextssl: training stopped at step {stopped_at}: {how}\n" in capsys.readouterr().err
        assert signal.getsignal(signal.SIGINT) is handler
    assert main(["train", "resume=runs/stopped"]) == 0
    assert (in_folder / "runs/stopped/results.json").is_file()


@pytest.mark.long
def test_two_processes_train_as_one(in_folder: Path) -> None:
    """torchrun over two CPU processes: the same batches and the same losses as one process (features are not normalised over the batch).

    The last batch has six pairs: a sequence of four for the first process, one of two for the second.
    """
    toy_store(in_folder / "store", ToySource(items={"train": 14, "val": 8}), resolution=16)
    words = [*TINY, "data_dir=store", "resolution=16", "epochs=2", "batch_size=8", "backbone=vit_tiny_patch16_224", "random_mask=false"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29517", "-m", "contextssl"]
    for start, run, devices in (([sys.executable, "-m", "contextssl"], "one", 1), (torchrun, "two", 2)):
        command = [*start, "train", *words, f"run_dir=runs/{run}", f"devices={devices}", "log_every_steps=1"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr
    rows = [
        {(row["metric"], row["factor"], row["environment"], row["length"]): row["mean"] for row in json.loads(path.read_text())["rows"]}
        for path in (Path("runs/one/results.json"), Path("runs/two/results.json"))
    ]
    assert rows[0].keys() == rows[1].keys()
    for key, value in rows[0].items():
        assert rows[1][key] == pytest.approx(value, abs=2e-3), key


@pytest.mark.parametrize("name", ["a\nb.png", "a\x1b[2J.png", "a\x07\x9b1m", "a\u202egnp.exe", "a\u2028b", "x" * 100_000], ids=ascii)
def test_a_message_is_one_line_whatever_is_in_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", name]) == 2
    said = capsys.readouterr().err
    assert said.endswith("\n") and len(said.splitlines()) == 1 and len(said) < 2100
    assert said.removesuffix("\n").isprintable()


def test_a_disk_that_goes_away_in_the_middle_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def gone(settings: object) -> int:
        raise FileNotFoundError(2, "No such file or directory", "disk/run/metrics.csv")

    monkeypatch.setattr("contextssl.commands.report_command.run_report", gone)
    assert main(["report", "runs/x"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "contextssl: error: cannot use disk/run/metrics.csv: No such file or directory; check the path; what was saved before"
    )
