"""Words of the published configuration files (config.yml and eval_config.yml of Gupta et al., 2024) that are no settings here, or mean another
thing here: each is another setting's name, or is accepted with the reason why it means nothing. None is silently taken for something else.

What every other word of those files is, the settings of the same name say.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contextssl.errors import SettingsError


@dataclass(frozen=True)
class PublishedWord:
    """
    Args:
        setting: the setting that it is here, of a command that has it; None of a word that means nothing here.
        values: published values that are called otherwise here.
        why: it means nothing here.
        only: values under which it means nothing; any other would be another model or run than what is made here.
        otherwise: what to do for those other values.
    """

    setting: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    only: Sequence[str] | None = None
    otherwise: str = ""


# Settings of ours by the names that they had.
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
_NAMED = PublishedWord(why="a run has the name of its folder: run_dir=DIR")
_ALWAYS = {
    "dataset": PublishedWord("dataset", {"3drotcolor": "3diebench"}),
    "method": PublishedWord("method", {"ContextSSL": "contextssl"}),
    "eval_normalize": _NORMALISED,
    "name": _NAMED,
    "custom_name": _NAMED,
    "debug_mode": PublishedWord(why="nothing is logged to Weights & Biases unless wandb=PROJECT is given to contextssl train"),
    "dataparallel": PublishedWord(
        why="one process is the default", only=("false",), otherwise="devices=2 under torchrun spreads a training over GPUs"
    ),
    "test_batch_size": PublishedWord(why="the published code does not use it, and evaluation chooses its own batches"),
    "epoch": PublishedWord(why="it counts epochs in the published code", only=("0",), otherwise="did you mean 'epochs'?"),
    "momentum": PublishedWord(why="the published code does not use it: it trains with Adam; of byol and seq-jepa ema_momentum is meant"),
    "moving_average_decay": PublishedWord(why="the published code does not use it; of byol and seq-jepa ema_momentum is that number"),
    "cache_type": PublishedWord(why="the published code does not use it; contexts are always drawn from the training split"),
    "proj_hidden_dim": PublishedWord(why="the published model has no projector"),
    "hidden_dim": PublishedWord(why="the published code does not use it: the predictor's width is width (n_embd there)"),
    "eval_predictor": PublishedWord(why="the published code does not use it; features and embeddings are both evaluated"),
    "is_invariant": PublishedWord(
        why="it is False here too: actions are told",
        only=("false",),
        otherwise="the model without actions is contextssl train method=simclr+",
    ),
    "load_online_linear_probe": PublishedWord(why="probes are always trained afresh"),
    "aug_method": PublishedWord(
        why="actions are always concatenated", only=("concat",), otherwise="the published code has no other either: leave it out"
    ),
    "add_scale": PublishedWord(why="it belongs to aug_method=add, which the published code does not have either"),
    "readintype": PublishedWord(
        why="the read-in is always linear", only=("linear",), otherwise="the published code has no other either: leave it out"
    ),
    "equiv_eval": PublishedWord(why="it shapes a head that the published code never uses; heads=[…] of contextssl evaluate chooses probes"),
    "env_type": PublishedWord(why="environments=[…] says which contexts are evaluated, env_ratio=… which are trained on"),
    "wandb.entity": PublishedWord(why="Weights & Biases reads it from WANDB_ENTITY"),
}
_OF_THE_CHECKPOINT = PublishedWord(why="the checkpoint says it")
_OF_TRAINING = PublishedWord(why="it is of training, and the model is trained")
_ONCE = PublishedWord(why="every number is computed once, at the end of the probes' epochs")

TRAIN: Mapping[str, PublishedWord] = {
    **_ALWAYS,
    "n_embd": PublishedWord("width"),
    "wandb.project": PublishedWord("wandb"),
    "load_model": PublishedWord(why="the published training starts from fresh weights too; resume=RUN goes on with a run"),
    "pretrained_model_dir": PublishedWord(why="the published training starts from fresh weights too"),
}
EVALUATE: Mapping[str, PublishedWord] = {
    **_ALWAYS,
    "backbone": _OF_THE_CHECKPOINT,
    "projection_dim": _OF_THE_CHECKPOINT,
    "n_embd": _OF_THE_CHECKPOINT,
    "eval_normalize": PublishedWord("normalize", why=_NORMALISED.why),
    "n_layer": _OF_THE_CHECKPOINT,
    "wandb.project": PublishedWord(why="evaluations are not logged to Weights & Biases"),
    "workers": PublishedWord(why="views are read in the process itself"),
    "log_interval": _ONCE,
    "save_interval": PublishedWord(why="probes are trained anew, and none is saved"),
    **dict.fromkeys(
        ("warmup_epochs", "weight_decay", "temperature", "weight_equiv_loss", "env_ratio", "random_mask", "mask_prob"), _OF_TRAINING
    ),
}


def words_of(command: str) -> Mapping[str, PublishedWord]:
    """The published words that a command knows."""
    if command in ("train", "compare", "reproduce"):
        return TRAIN
    return EVALUATE if command.startswith("evaluate ") else {}


def renamed(word: str, settings: Collection[str]) -> str:
    """The name that a setting has now; the former one is accepted with a warning.

    Args:
        settings: of the command.
    """
    now = RENAMED.get(word)
    if now is None or now not in settings:
        return word
    warnings.warn(f"{word}= is {now}= now, and is no longer accepted from version 1.0", UserWarning, stacklevel=3)
    return now


def by_current_names(written: Mapping[Any, Any]) -> dict[Any, Any]:
    """Settings as this or an earlier version wrote them into a file, by the names that they have now."""
    settings = dict(written)
    for former, now in RENAMED.items():
        # Files hold a former name next to the present one, which it took the place of where it was set.
        if former in settings and ((value := settings.pop(former)) is not None or now not in settings):
            settings[now] = value
    return settings


def told_for(word: str, text: str, known: PublishedWord) -> str:
    """Why a published word means nothing here, in a sentence.

    Raises:
        SettingsError: for a value that would be another model or run.
    """
    if known.only is not None and text.strip().lower() not in known.only:
        raise SettingsError(f"{word}={text} is not supported: {known.otherwise}")
    return f"{word}={text} is accepted but means nothing here: {known.why}"
