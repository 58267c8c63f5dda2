"""What a shell makes of pasted lines, and bare words."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from contextssl.commands import COMMANDS
from contextssl.config.bare_words import named, without_blanks
from contextssl.config.overrides import settings_from

# The published README's commands with the program's name changed, its backslash and space included.
TRAIN = (
    "CUDA_VISIBLE_DEVICES=3 contextssl train \\\n    backbone=resnet18 \\\n    epochs=1000 \\\n    n_layer=3 \\\n    block_size=128 \\\n"
    "    log_interval=5 \\\n    projection_dim=512 \\\n    learning_rate=5e-5 \\\n    temperature=0.1 \\\n    weight_equiv_loss=5.0 \\\n"
    "    env_ratio=[0.5,0.5,0.0] \\\n    eval_normalize=True \\\n    random_mask=True \\\n    mask_prob=0.9 \\\n    weight_decay=1e-3\n"
)
CONTEXTS = "    seed=42 \\\n    log_interval=50 \\\n    eval_ctxt=[0,2,6,14,30,126] \\ \n"
MODEL = "    load_model=simclr_resnet18_epoch1000.pt \\\n    pretrained_model_dir=./ckpt/\n"
README_COMMANDS = [
    TRAIN,
    f"contextssl evaluate equivariance \\\n{CONTEXTS}    epochs=200 \\\n    learning_rate=0.001 \\\n{MODEL}",
    f"contextssl evaluate retrieval \\\n{CONTEXTS}    epochs=300 \\\n{MODEL}",
    f"contextssl evaluate probe \\\n{CONTEXTS}    epochs=300 \\\n{MODEL}",
]


def pasted(lines: str) -> list[str]:
    """The words that bash hands to the command of pasted lines."""
    script = 'contextssl() { printf "%s\\0" "$@"; }\n' + lines
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.filterwarnings("ignore:.*means nothing here")
@pytest.mark.parametrize("lines", README_COMMANDS)
@pytest.mark.parametrize("how", ["pasted", "one line", "fixed", "carriage returns"])
def test_the_published_commands_as_a_shell_hands_them_over(lines: str, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    broken = "\\ \n" in lines
    made = {
        "pasted": lines,
        # As a browser or a chat joins lines: the backslash then quotes a space, which sticks to the next word.
        "one line": lines.replace("\\ \n", "\\ ").replace("\\\n", ""),
        "fixed": lines.replace("\\ \n", "\\\n"),
        "carriage returns": lines.replace("\\ \n", "\\\n").rstrip("\n") + "\r\n",
    }[how]
    words = without_blanks(pasted(made))
    said = capsys.readouterr().err
    lost = broken and how == "pasted"
    assert ("blank word" in said) is (broken and how in ("pasted", "one line"))
    assert len(said.splitlines()) <= 1
    if said:
        assert "the shell takes the following lines as commands of their own" in said
    count = 2 if words[0] == "evaluate" else 1
    name = " ".join(words[:count])
    command = COMMANDS[name]
    rest = named(name, command.schema, command.positional, command.several, words[count:])
    settings = settings_from(name, command.schema, rest)
    if name == "train":
        assert (settings.mask_prob, settings.weight_decay, settings.epochs) == (0.9, 1e-3, 1000)
    else:
        assert (settings.seed, settings.eval_ctxt) == (42, [0, 2, 6, 14, 30, 126])
        assert settings.load_model == (None if lost else "simclr_resnet18_epoch1000.pt")
        assert settings.pretrained_model_dir == (None if lost else "./ckpt/")


@pytest.mark.parametrize("blank", ["", " ", "\t", "\r", "\\", " \\ "])
def test_blank_words_are_passed_over(blank: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert without_blanks(["train", blank, "epochs=3"]) == ["train", "epochs=3"]
    assert capsys.readouterr().err.count("blank word") == 1
    assert without_blanks(["train", "path=a b ", "delimiter=\\"]) == ["train", "path=a b ", "delimiter=\\"]


def bare(command: str, *words: str) -> list[str]:
    spec = COMMANDS[command]
    return named(command, spec.schema, spec.positional, spec.several, words)


def test_bare_words_may_hold_anything(in_folder: Path) -> None:
    (in_folder / "lr=0.1").mkdir()
    assert bare("evaluate probe", "runs/lr=0.1", "epochs=3") == ["load_model=runs/lr=0.1", "epochs=3"]
    assert bare("evaluate probe", "runs/a b/checkpoints/epoch=0000.ckpt") == ["load_model=runs/a b/checkpoints/epoch=0000.ckpt"]
    assert bare("evaluate probe", "lr=0.1") == ["load_model=lr=0.1"], "a folder that is there, and no setting"
    assert bare("evaluate probe", "rl=0.1") == ["rl=0.1"]
    assert bare("data pack", "in (1)", "out", "resolution=32") == ["data_dir=in (1)", "out=out", "resolution=32"]
    assert bare("train", "-m", "seed=0,1") == ["-m", "seed=0,1"]
    names = ["runs/lr=0.1", "it's", "a,b", "[x]", "C:\\runs\\", "~/runs/a"]
    settings = settings_from("report", COMMANDS["report"].schema, bare("report", *names, "figures=false"))
    assert settings.runs == [*names[:-1], str(Path("~/runs/a").expanduser())]
    settings = settings_from("evaluate probe", COMMANDS["evaluate probe"].schema, ["load_model=r", "checkpoint=epoch=0000"])
    assert settings.checkpoint == "epoch=0000"
