"""What judges: a scenario that is known to fall short is counted as what it is, and a campaign that was interrupted goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from contextssl.training.run import train
from faults import campaign, disks, long_run, memory
from faults.comparing import different_files, different_runs
from faults.frame import Campaign, Ended, Kind, Outcome, Scenario
from faults.kills import plans
from tests.training.runs import tiny_settings, toy_data

OUTCOMES = {name: Outcome(name, "seen") for name in ("held", "lost", "silent", "traceback", "hung")}
CALLS: list[str] = []


@contextmanager
def known(_: Campaign, count: int) -> Iterator[Iterator[Scenario]]:
    def run(name: str, folder: Path) -> Outcome:
        assert not any(folder.iterdir())
        CALLS.append(name)
        (folder / "left").touch()
        if name == "breaks":
            raise RuntimeError("nobody thought of it")
        return OUTCOMES[name]

    yield (Scenario(name, lambda folder, name=name: run(name, folder)) for name in [*OUTCOMES, "breaks"][:count])  # type: ignore[misc]


@pytest.fixture
def one_kind(monkeypatch: pytest.MonkeyPatch) -> Kind:
    kind = Kind("known", 6, "known ends", known)
    monkeypatch.setattr(campaign, "kind", lambda _: kind)
    CALLS.clear()
    return kind


def test_each_end_is_counted_as_what_it_is(one_kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "f.json"
    monkey = campaign.Words(kinds=("known",), out=out)
    made = campaign.run(monkey)
    assert made["table"] == [
        {"kind": "known", "tried": 6, "held": 1, "lost": 1, "silent": 1, "traceback": 2, "hung": 1, "minutes": made["table"][0]["minutes"]}
    ]
    assert json.loads(out.read_text())["table"] == made["table"]
    assert {each["name"] for each in made["fell_short"]} == {"lost", "silent", "traceback", "hung", "breaks"}
    assert "nobody thought of it" in made["fell_short"][-1]["note"]
    assert "| known | 6 | 1 | 1 | 1 | 2 | 1 |" in campaign.shown(made)
    # What fell short is kept for a look.
    assert (tmp_path / "f-work/fell-short/known-2/left").is_file() and not (tmp_path / "f-work/fell-short/known-1").exists()


def test_a_campaign_that_was_interrupted_goes_on(one_kind: Kind, tmp_path: Path) -> None:
    out = tmp_path / "f.json"
    words = campaign.Words(kinds=("known",), out=out)
    whole = campaign.run(words)
    journal = out.with_suffix(".jsonl")
    lines = journal.read_text().splitlines()
    # Killed in the middle of writing the fourth outcome.
    journal.write_text("\n".join(lines[:4]) + "\n" + lines[4][:20])
    CALLS.clear()
    assert campaign.run(words)["table"] == [{**whole["table"][0], "minutes": whole["table"][0]["minutes"]}]
    assert CALLS == ["traceback", "hung", "breaks"]
    CALLS.clear()
    campaign.run(words)
    assert CALLS == []
    with pytest.raises(SystemExit, match="is of another campaign"):
        campaign.run(campaign.Words(kinds=("known",), out=out, seed=1))


def test_words() -> None:
    words = campaign.Words.of(["kills", "disks", "seed=3", "share=0.1", "out=x/y.json"])
    assert words == campaign.Words(("kills", "disks"), 3, 0.1, Path("x/y.json"))
    with pytest.raises(SystemExit, match="unknown kind 'kill'"):
        campaign.Words.of(["kill"])
    with pytest.raises(SystemExit, match="unknown word 'sed=1'"):
        campaign.Words.of(["sed=1"])


def test_the_same_seed_makes_the_same_scenarios() -> None:
    first = [plan.name for plan in plans(0)]
    assert first == [plan.name for plan in plans(0)] != [plan.name for plan in plans(1)]
    assert len(first) == 200 and len({plan.task.name for plan in plans(0)}) == 16
    assert {kill.number.name for plan in plans(0) for kill in plan.kills} == {"SIGKILL", "SIGTERM", "SIGINT", "SIGUSR1"}


def test_ends_that_are_wrong_whatever_was_done() -> None:
    def verdict(**given: object) -> str | None:
        untidy = Ended(**{"code": 2, "said": "contextssl: error: the disk is full\n", "seconds": 1.0, **given}).untidy  # type: ignore[arg-type]
        return None if untidy is None else untidy.verdict

    assert verdict() is None
    assert verdict(code=None) == "hung"
    assert verdict(left=1) == "hung"
    assert verdict(said='Traceback (most recent call last):\n  File "x"\nKeyError: 3\n') == "traceback"
    assert Ended(1, 'Traceback (most recent call last):\n  File "x"\nKeyError: 3\n', 1.0).unforeseen == "KeyError: 3"


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("cannot write x: No space left on device (5.0 MiB needed, 1.0 MiB free); free some space; resume with …", None),
        ("cannot write x: No space left on device; free some space; resume with …", "how much is needed"),
        ("cannot write x: No space left on device (5.0 MiB needed, 1.0 MiB free); free some space", "what is kept"),
        ("cannot write x: No space left on device (5.0 MiB needed, 1.0 MiB free); it is kept", "what helps"),
    ],
)
def test_a_full_disk_is_one_sentence_with_all_that_is_promised(said: str, missing: str | None) -> None:
    fault = disks.judged(Ended(2, f"a warning\ncontextssl: error: {said}\n", 1.0), "full")
    assert (fault is None) if missing is None else (fault is not None and missing in fault.note)
    assert disks.judged(Ended(1, said, 1.0), "full") is not None
    assert disks.judged(Ended(2, f"contextssl: error: {said}\ncontextssl: error: {said}\n", 1.0), "full") is not None


def test_no_memory_is_one_sentence_with_all_that_is_promised() -> None:
    right = "contextssl: error: memory is full (3 GiB more were asked for): lower batch_size; what was saved is whole\n"
    assert memory.judged(Ended(2, right, 1.0)) is None
    for wrong in (
        "memory is full: what was saved is whole",
        "lower batch_size; what was saved is whole",
        "memory is full: lower batch_size",
    ):
        assert memory.judged(Ended(2, f"contextssl: error: {wrong}\n", 1.0)) is not None


def test_growth_is_seen() -> None:
    steady = [100.0 + number % 3 for number in range(200)]
    assert long_run.judged("memory", steady).verdict == "held"
    assert long_run.judged("memory", [value + number * 0.5 for number, value in enumerate(steady)]).verdict == "lost"
    assert long_run.judged("descriptors", [20.0] * 100 + [21.0] * 100).verdict == "lost"
    assert long_run.judged("descriptors", [20.0] * 5).verdict == "lost", "too few samples say nothing"


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("two")
    data = toy_data(folder / "store")
    made = [train(tiny_settings(run_dir=str(folder / name), epochs=1), data=data) for name in ("a", "b")]
    return made[0], made[1]


def test_runs_that_are_the_same_and_runs_that_are_not(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    import shutil

    a, b = two_runs
    assert different_runs(a, b) is None

    def changed(name: str) -> Path:
        return Path(shutil.copytree(b, tmp_path / name))

    run = changed("weight")
    content = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    next(iter(content["state_dict"].values())).view(-1)[0] += 1e-6
    torch.save(content, run / "checkpoints/last.ckpt")
    assert "last.ckpt differs in weights" in str(different_runs(run, a))
    run = changed("row")
    lines = (run / "metrics.csv").read_text().splitlines()
    (run / "metrics.csv").write_text("\n".join([*lines, lines[-1]]) + "\n")
    assert "metrics.csv differs" in str(different_runs(run, a))
    run = changed("gap")
    next((run / "tensorboard").glob("events*")).unlink()
    (run / "tensorboard").mkdir(exist_ok=True)
    assert "TensorBoard differs" in str(different_runs(run, a))
    run = changed("left")
    (run / ".last.0123abcd.tmp.ckpt").touch()
    assert different_runs(run, a) == ".last.0123abcd.tmp.ckpt is left behind"
    run = changed("best")
    (run / "checkpoints/best.ckpt").unlink()
    assert different_runs(run, a) == "best.ckpt is missing"
    run = changed("results")
    text = (run / "results.json").read_text()
    (run / "results.json").write_text(text.replace('"mean": ', '"mean": 1', 1))
    assert "results.json differs" in str(different_runs(run, a))


def test_files_that_are_the_same_and_files_that_are_not(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.npy").write_bytes(b"1")
        (tmp_path / name / "about.json").write_text(json.dumps({"date": name, "shape": 3}))
    assert different_files(tmp_path / "a", tmp_path / "b") is None
    (tmp_path / "a/x.npy.sha256").write_text(hashlib.sha256(b"1").hexdigest() + "  x.npy\n")
    (tmp_path / "b/x.npy.sha256").write_text("0" * 64 + "  x.npy\n")
    assert different_files(tmp_path / "a", tmp_path / "b") is None
    assert different_files(tmp_path / "b", tmp_path / "a") == "x.npy.sha256 is not that of its file"
    for name in ("a", "b"):
        (tmp_path / name / "x.npy.sha256").unlink()
    (tmp_path / "a/x.npy").write_bytes(b"2")
    assert different_files(tmp_path / "a", tmp_path / "b") == "x.npy differs"
    (tmp_path / "a/y").touch()
    assert different_files(tmp_path / "a", tmp_path / "b") == "y was left behind"
    (tmp_path / "a/x.npy").unlink()
    assert different_files(tmp_path / "a", tmp_path / "b") == "x.npy is missing"
