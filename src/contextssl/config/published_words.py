"""Words of the published configuration files (config.yml and eval_config.yml of Gupta et al., 2024) that are no settings here, or have another
meaning: each is another name of a setting, or is accepted with a warning that says why it has no meaning here. None is silently reinterpreted.

All other words of those files are settings of the same name.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contextssl.errors import SettingsError


@dataclass(frozen=True)
class PublishedWord:
    """A setting by its name here, for a command that has it, and its values that have another name here; or ``why`` it means nothing here.

    Other values than ``only`` would change the model or run, and are an error: what to do ``otherwise``.
    """

    setting: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    only: Sequence[str] | None = None
    otherwise: str = ""


# Settings of ours by their former names.
RENAMED: Mapping[str, str] = {
    "data_factory": "dataset",
    "weight_untold": "weight_inactive",
    "forget_bottleneck": "fairness_bottleneck",
    "giveaways": "proxies",
    "giveaway_columns": "proxy_columns",
}

# Protocols by the names that they had, on the command line and in results files.
RENAMED_PROTOCOLS: Mapping[str, str] = {"reading": "context-sensitivity"}

_NORMALISED = PublishedWord(why="embeddings are always L2-normalised before they are evaluated")
_NAMED = PublishedWord(why="a run is named by its folder: run_dir=DIR")
_ALWAYS = {
    "dataset": PublishedWord("dataset", {"3drotcolor": "3diebench"}),
    "method": PublishedWord("method", {"ContextSSL": "contextssl"}),
    "eval_normalize": _NORMALISED,
    "name": _NAMED,
    "custom_name": _NAMED,
    "debug_mode": PublishedWord(why="nothing is logged to Weights & Biases unless wandb=PROJECT is given to contextssl train"),
    "dataparallel": PublishedWord(
        why="one process is the default", only=("false",), otherwise="devices=2 under torchrun trains on several GPUs"
    ),
    "test_batch_size": PublishedWord(why="the published code does not use it, and evaluation chooses its own batches"),
    "epoch": PublishedWord(why="the published code uses it as a counter", only=("0",), otherwise="did you mean 'epochs'?"),
    "momentum": PublishedWord(why="the published code does not use it: it trains with Adam; for byol and seq-jepa set ema_momentum"),
    "moving_average_decay": PublishedWord(why="the published code does not use it; for byol and seq-jepa set ema_momentum"),
    "cache_type": PublishedWord(why="the published code does not use it; contexts are always drawn from the training split"),
    "proj_hidden_dim": PublishedWord(why="the published model has no projector"),
    "hidden_dim": PublishedWord(why="the published code does not use it: the predictor's width is width (n_embd there)"),
    "eval_predictor": PublishedWord(why="the published code does not use it; features and embeddings are both evaluated"),
    "is_invariant": PublishedWord(
        why="it is False here too: the predictor is given actions",
        only=("false",),
        otherwise="the model without actions is contextssl train method=simclr+",
    ),
    "load_online_linear_probe": PublishedWord(why="probes are always newly trained"),
    "aug_method": PublishedWord(
        why="actions are always concatenated", only=("concat",), otherwise="the published code has no other either: leave it out"
    ),
    "add_scale": PublishedWord(why="it belongs to aug_method=add, which the published code does not have either"),
    "readintype": PublishedWord(
        why="the read-in is always linear", only=("linear",), otherwise="the published code has no other either: leave it out"
    ),
    "equiv_eval": PublishedWord(
        why="it configures a head that the published code never uses; heads=[…] of contextssl evaluate chooses probes"
    ),
    "env_type": PublishedWord(why="environments=[…] sets the environments of evaluated contexts, env_ratio=… those of training"),
    "wandb.entity": PublishedWord(why="Weights & Biases reads it from WANDB_ENTITY"),
}
_OF_THE_CHECKPOINT = PublishedWord(why="the checkpoint holds it")
_OF_TRAINING = PublishedWord(why="it is a setting of training, and the model is already trained")
_ONCE = PublishedWord(why="every number is computed once, after the last epoch of the probes")

TRAIN: Mapping[str, PublishedWord] = {
    **_ALWAYS,
    "n_embd": PublishedWord("width"),
    "wandb.project": PublishedWord("wandb"),
    "load_model": PublishedWord(why="the published training starts from new weights too; resume=RUN resumes a run"),
    "pretrained_model_dir": PublishedWord(why="the published training starts from new weights too"),
}
EVALUATE: Mapping[str, PublishedWord] = {
    **_ALWAYS,
    **dict.fromkeys(("backbone", "projection_dim", "n_embd", "n_layer"), _OF_THE_CHECKPOINT),
    "eval_normalize": PublishedWord("normalize", why=_NORMALISED.why),
    "wandb.project": PublishedWord(why="evaluations are not logged to Weights & Biases"),
    "workers": PublishedWord(why="an evaluation reads views in its own process"),
    "log_interval": _ONCE,
    "save_interval": PublishedWord(why="probes are newly trained, and not saved"),
    **dict.fromkeys(
        ("warmup_epochs", "weight_decay", "temperature", "weight_equiv_loss", "env_ratio", "random_mask", "mask_prob"), _OF_TRAINING
    ),
}


# Words that name a setting too, and stay.
SHORT = {"from": "start_from"}


def words_of(command: str) -> Mapping[str, PublishedWord]:
    """The published words that a command accepts."""
    if command in ("train", "compare", "reproduce"):
        return TRAIN
    return EVALUATE if command.startswith("evaluate ") else {}


def renamed(word: str, settings: Collection[str]) -> str:
    """The present name of a setting of a command; a former one is accepted with a warning."""
    if word in SHORT and SHORT[word] in settings:
        return SHORT[word]
    now = RENAMED.get(word)
    if now is None or now not in settings:
        return word
    warnings.warn(f"{word}= is {now}= now, and is no longer accepted from version 1.0", UserWarning, stacklevel=3)
    return now


def by_current_names(written: Mapping[Any, Any]) -> dict[Any, Any]:
    """Settings as this or an earlier version wrote them into a file, by their present names."""
    settings = dict(written)
    for former, now in RENAMED.items():
        # Where a file has both names, the former overrode the present one if it was set.
        if former in settings and ((value := settings.pop(former)) is not None or now not in settings):
            settings[now] = value
    return settings


def no_meaning(word: str, text: str, known: PublishedWord) -> str:
    """A sentence that says why a published word means nothing here. Raises SettingsError for a value that would be another model or run."""
    if known.only is not None and text.strip().lower() not in known.only:
        raise SettingsError(f"{word}={text} is not supported: {known.otherwise}")
    return f"{word}={text} is accepted but means nothing here: {known.why}"
