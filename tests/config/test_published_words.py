"""Every word of the published configuration files, through the commands' own door."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest

from contextssl.commands import COMMANDS
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.errors import SettingsError

# config.yml of the published code: every key with its value.
CONFIG = str.split("""
hydra.job_logging.root.handlers=[file,console] hydra.run.dir=../../logs debug_mode=False wandb.entity=us wandb.project=contexts
dataset=3drotcolor data_dir=DATA resolution=128 dataparallel=False method=ContextSSL custom_name='' name=run backbone=resnet18 projection_dim=128
seed=42 batch_size=512 test_batch_size=4 workers=16 epoch=0 epochs=1000 log_interval=5 save_interval=200
learning_rate=0.03 momentum=0.9 warmup_epochs=10 weight_decay=0.0005 moving_average_decay=0.99 temperature=0.5
cache_type='train' weight_equiv_loss=1 proj_hidden_dim=2048 eval_predictor=False is_invariant=False
load_model=simclr_resnet18_epoch1000.pt load_online_linear_probe=online_linear_probe_resnet18_epoch1000.pt
n_embd=2048 n_layer=3 n_head=4 hidden_dim=2048 block_size=128 aug_method=concat add_scale=0.1 readintype=linear
env_ratio=[0.5,0.5,0.0] random_mask=False mask_prob=0.15 eval_normalize=True equiv_eval=linear pretrained_model_dir=CKPT
""")
# Of eval_config.yml those that config.yml has not, or otherwise.
EVAL_CONFIG = [*CONFIG, "env_type='double'", "eval_ctxt=[0,2,14,30,126]", "epochs=300", "batch_size=256", "projection_dim=512"]
# What they set here; every other word means nothing and says why.
HONOURED_IN_TRAINING = {
    "dataset": "3diebench",
    "data_dir": "DATA",
    "resolution": 128,
    "method": "contextssl",
    "backbone": "resnet18",
    "projection_dim": 128,
    "seed": 42,
    "batch_size": 512,
    "workers": 16,
    "epochs": 1000,
    "log_interval": 5,
    "save_interval": 200,
    "learning_rate": 0.03,
    "warmup_epochs": 10.0,
    "weight_decay": 0.0005,
    "temperature": 0.5,
    "weight_equiv_loss": 1.0,
    "n_embd": ("width", 2048),
    "n_layer": 3,
    "n_head": 4,
    "block_size": 128,
    "env_ratio": [0.5, 0.5, 0.0],
    "random_mask": False,
    "mask_prob": 0.15,
    "wandb.project": ("wandb", "contexts"),
}
HONOURED_IN_EVALUATION = {
    "method": "contextssl",
    "eval_normalize": ("normalize", True),
    "dataset": "3diebench",
    "data_dir": "DATA",
    "resolution": 128,
    "seed": 42,
    "learning_rate": 0.03,
    "load_model": "simclr_resnet18_epoch1000.pt",
    "pretrained_model_dir": "CKPT",
    "n_head": 4,
    "block_size": 128,
    "eval_ctxt": [0, 2, 14, 30, 126],
    "epochs": 300,
    "batch_size": 256,
}
EVALUATIONS = [name for name in COMMANDS if name.startswith("evaluate ")]


@pytest.mark.parametrize("word", CONFIG)
def test_a_word_of_the_training_file_is_honoured_or_said_to_mean_nothing(word: str) -> None:
    _check("train", TrainSettings, word, HONOURED_IN_TRAINING)


@pytest.mark.parametrize("command", EVALUATIONS)
@pytest.mark.parametrize("word", EVAL_CONFIG[len(CONFIG) :] + [w for w in CONFIG if w.split("=")[0] not in ("epochs", "batch_size")])
def test_a_word_of_the_evaluation_file_is_honoured_or_said_to_mean_nothing(command: str, word: str) -> None:
    _check(command, COMMANDS[command].schema, word, HONOURED_IN_EVALUATION)


def _check(command: str, schema: type[Any], word: str, honoured: dict[str, Any]) -> None:
    key = word.split("=", 1)[0]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        settings: Any = settings_from(command, schema, [word])
    if key in honoured:
        name, value = honoured[key] if isinstance(honoured[key], tuple) else (key, honoured[key])
        assert getattr(settings, name) == value and not said
    else:
        assert settings == schema(), f"{word} is taken for something else"
        (message,) = [str(warning.message) for warning in said]
        assert message.startswith(f"{word} is accepted but means nothing here: ") and len(message.split(": ", 1)[1]) > 20


@pytest.mark.parametrize(
    ("command", "word", "now"),
    [
        ("train", "weight_untold=2", "weight_inactive=2"),
        ("train", "giveaways=keep", "proxies=keep"),
        ("train", "giveaway_columns=[title]", "proxy_columns=[title]"),
        ("compare", "vary={weight_untold:[0,2]}", "vary={weight_inactive:[0,2]}"),
        ("evaluate fairness", "forget_bottleneck=[0.5]", "fairness_bottleneck=[0.5]"),
    ],
)
def test_a_former_name_of_a_setting_is_accepted_with_a_warning(command: str, word: str, now: str) -> None:
    former, present = (re.split("[=:]", text.removeprefix("vary={"))[0] for text in (word, now))
    with pytest.warns(UserWarning, match=f"{former}= is {present}= now, and is no longer accepted from version 1.0"):
        settings = settings_from(command, COMMANDS[command].schema, [word])
    assert settings == settings_from(command, COMMANDS[command].schema, [now])


def test_both_files_whole() -> None:
    with pytest.warns(UserWarning):
        settings = settings_from("train", TrainSettings, CONFIG)
    assert (settings.width, settings.method, settings.dataset, settings.ema_momentum) == (2048, "contextssl", "3diebench", None)
    with pytest.warns(UserWarning):
        assert settings_from("evaluate probe", EvaluateSettings, EVAL_CONFIG).epochs == 300


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("is_invariant=True", r"is_invariant=True is not supported: .* method=simclr\+"),
        ("aug_method=add", "aug_method=add is not supported"),
        ("readintype=mlp", "readintype=mlp is not supported"),
        ("dataparallel=True", "devices=2 under torchrun"),
        ("epoch=3", "did you mean 'epochs'"),
        ("method=contextsl", "unknown method 'contextsl': did you mean 'contextssl'"),
    ],
)
def test_published_values_that_would_make_something_else_are_refused(word: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings_from("train", TrainSettings, [word])
