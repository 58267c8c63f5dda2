"""What the content of a checkpoint of ours must be before a model is built from it, or a run resumed."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from contextssl.config.published_words import by_current_names
from contextssl.config.settings import TrainSettings
from contextssl.config.validation import check_value, fields_of, hints_of
from contextssl.config.values import Unfit, conform
from contextssl.data.dataset import opened_by_name
from contextssl.data_set import known_data_set, own_name
from contextssl.errors import CheckpointError, DamagedCheckpointError, SettingsError, brief
from contextssl.method import METHODS
from contextssl.named_code import own_names

# Under this name a checkpoint holds what rebuilds the model (everything else in it is Lightning's).
RECIPE = "contextssl"
FORMAT = 1
# In it, the views that a model of examples carries.
CARRIED = "carried"
# Settings that earlier versions wrote and this one no longer has: by the name that each has now, or None where it is gone. Every other setting that
# is unknown is of a later version, and its effect would be lost silently.
FORMER_SETTINGS: Mapping[str, str | None] = {"momentum": "ema_momentum"}
# What a recipe has to hold, and of what kind.
NEEDED: Mapping[str, tuple[type, ...]] = {
    "settings": (dict,),
    "factors": (dict, list),
    "class_names": (list,),
    "image_mean": (list, types.NoneType),
    "image_std": (list, types.NoneType),
    "encoder": (str, types.NoneType),
    "data": (dict,),
}
DEPTHS = ("n_layer", "encoder_depth", "sequence_layers")


# Plain values of a checkpoint at most, lists within lists, and letters of a word: more is nothing that was ever written. A list may hold another many
# times over at the price of one, so they are counted as they will be read.
MOST_VALUES, DEEPEST, LONGEST = 500_000, 50, 1_000_000


def check_plain(content: Any, where: str) -> None:
    """Raises CheckpointError where plain values are too many, too deep or too long to be looked at one by one."""
    left, count = [(content, 0)], 0
    while left:
        value, depth = left.pop()
        inner = (*value.keys(), *value.values()) if isinstance(value, Mapping) else value if isinstance(value, list | tuple | set) else ()
        count += 1 + len(inner)
        long = (isinstance(value, str | bytes) and len(value) > LONGEST) or (isinstance(value, int) and value.bit_length() > 64)
        if count > MOST_VALUES or depth > DEEPEST or long:
            raise damaged(where, "its plain values are too many, too deep or too long for a checkpoint")
        left += [(each, depth + 1) for each in inner]


def damaged(where: str, what: str) -> DamagedCheckpointError:
    """For a file that is not what was written."""
    return DamagedCheckpointError(f"{where} is damaged: {what}; use an earlier one")


def recipe_of(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The recipe of a checkpoint of ours, once it is of a format that this version reads and whole.
    Raises CheckpointError saying what is missing or invalid.
    """
    made = content[RECIPE]
    if not isinstance(made, dict):
        raise damaged(where, f"its part {RECIPE!r} is a {type(made).__name__}")
    if made.get("format") != FORMAT:
        raise CheckpointError(
            f"{where} has format {brief(made.get('format'))}, written by version {str(made.get('version'))[:40]}: this version reads {FORMAT}"
        )
    for name, kinds in NEEDED.items():
        if not isinstance(made.get(name, ...), kinds):
            what = f"is a {type(made[name]).__name__}" if name in made else "is missing"
            raise damaged(where, f"{name} of its recipe {what}")
    # Checkpoints from before there were tables say image_shape.
    shape = made.get("view_shape") or made.get("image_shape")
    if not isinstance(shape, list) or len(shape) not in (1, 3) or not all(isinstance(n, int) and 0 < n < 1 << 20 for n in shape):
        raise damaged(where, f"view_shape of its recipe is {brief(shape)}")
    return {**made, "view_shape": shape}


def settings_of(content: Mapping[str, Any], where: str = "the checkpoint", *, method: str | None = None) -> TrainSettings:
    """The settings of a run, from its checkpoint; ``method`` as of :func:`named_method`.
    Raises CheckpointError for settings of a later version, which this one does not know, invalid values, and as :func:`named_method`.
    """
    made = recipe_of(content, where)
    settings = TrainSettings()
    for name, value in known_settings(made["settings"], made.get("version"), where).items():
        try:
            setattr(settings, name, conform(value, hints_of(TrainSettings)[name]))
        except Unfit:
            raise damaged(where, f"its setting {name} is {brief(value)}") from None
    settings.method = named_method(settings.method, method, where)
    for name, field in fields_of(TrainSettings).items():
        # A name is looked up where the user gives it, and never because a file does.
        if field.metadata["names"] is None:
            try:
                check_value(name, getattr(settings, name), field)
            except SettingsError:
                raise damaged(where, f"its setting {name} is {brief(getattr(settings, name))}") from None
    return settings


def named_method(written: str, named: str | None, where: str) -> str:
    """The method of a checkpoint. One of the user's own is code: it is used only where the user names it again, by its present place.
    Raises CheckpointError for one that is to be named, saying what to add to the command; and for one that is not there.
    """
    if isinstance(written, str) and METHODS.is_own(written):
        if named is None or not METHODS.is_own(named):
            raise CheckpointError(
                f"{where} was trained by a method of its author's, {written}, which is not imported because a checkpoint names it: if it is yours, "
                f'name it again by method={written} (in Python method="{written}")'
            )
        METHODS.find(named)
        return named
    if written not in METHODS.names():
        raise CheckpointError(
            f"{where} was trained by the method {written!r}, which is neither of this version nor installed: install what it comes from"
        )
    return written


def refuse_other_method(written: str, named: str | None, where: str) -> None:
    """Raises CheckpointError where the user names another method than that of the checkpoint."""
    if named not in (None, written):
        raise CheckpointError(f"{where} was trained by method={written}, not by {named}: leave method out")


def known_settings(written: Mapping[Any, Any], version: Any, where: str) -> dict[str, Any]:
    """Settings as this or an earlier version wrote them, by the names that they have now.
    Raises CheckpointError for settings of a later version, which this one does not know.
    """
    renamed = {FORMER_SETTINGS.get(name, name): value for name, value in by_current_names(written).items()}
    renamed.pop(None, None)
    if unknown := sorted(str(name) for name in renamed if name not in fields_of(TrainSettings)):
        raise CheckpointError(
            f"{where} was written by version {version}, with settings that this version does not know: {', '.join(unknown)}; "
            "update contextssl to load it"
        )
    return renamed


def refuse_named_code(dataset: str, factors: Sequence[str] | None, named: Sequence[str] | None, where: str) -> None:
    """Augmentations of the user's own that a checkpoint names are code: they are used only where the user names them again, as one of ``named``.
    Raises SettingsError saying what to add to the command.
    """
    data_set = known_data_set(dataset)
    if data_set is not None and not data_set.augments:
        return
    if [name for name in own_names(factors) if name not in (named or ())]:
        raise SettingsError(
            f"{where} was trained with code of its author's, {', '.join(own_names(factors))}, which is not imported because a checkpoint names it: "
            f"if it is yours, name it again by factors=[{','.join(factors or ())}]"
        )


def refuse_unnamed_parts(content: Mapping[str, Any], *, data: bool, encoder: bool, where: str) -> None:
    """Data and an encoder of the user's own are in no checkpoint: raises CheckpointError where they are not given again (``data``, ``encoder``),
    saying how, on the command line and in Python.
    """
    made = recipe_of(content, where)
    own = own_name(known_settings(made["settings"], made.get("version"), where).get("dataset"))
    refuse_unnamed_data(own if own or opened_by_name(made["data"]) else "module:function", data, where)
    if not encoder and made["encoder"] is not None:
        raise CheckpointError(
            f"{where} was trained with your own encoder {made['encoder']}: give it again by encoder_factory=module:function (it returns the module), "
            "or in Python"
        )


def refuse_unnamed_data(own: str | None, given: bool, where: str) -> None:
    """Raises CheckpointError where the data were made by code of the user's own (its name; None where there was none) and are not given again."""
    if own is not None and not given:
        raise CheckpointError(
            f"{where} was trained on data of your own, which are not opened because a file names them: give them again by dataset={own} (it "
            "returns a contextssl.Data), or in Python"
        )


def check_depths(settings: TrainSettings, state: Mapping[str, Any], where: str) -> None:
    """A network has no more layers than the checkpoint has tensors, which is known before a layer is built.
    Raises CheckpointError where the settings ask for more.
    """
    for name in DEPTHS:
        if getattr(settings, name) > len(state):
            raise damaged(where, f"its setting {name} is {getattr(settings, name)}, but it has {len(state)} tensors")


def weights_of(content: Mapping[str, Any], prefix: str, where: str) -> dict[str, Tensor]:
    """The tensors of ``state_dict`` whose names start with ``prefix``, without it.
    Raises CheckpointError where there are none, or they are no plain tensors.
    """
    state = content.get("state_dict")
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise damaged(where, "it has no state_dict of named tensors")
    return check_tensors({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}, where)


def check_tensors(state: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """Raises CheckpointError for what is no dense tensor, larger than the memory behind it (an expanded one), or not finite."""
    for key, value in state.items():
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_quantized:
            raise damaged(where, f"{key} is no plain tensor")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise damaged(where, f"{key} has shape {tuple(value.shape)}, more than the file holds of it")
    if bad := [key for key, value in state.items() if value.dtype.is_floating_point and not bool(value.isfinite().all())]:
        more = f" and {len(bad) - 1} more tensors" if len(bad) > 1 else ""
        raise CheckpointError(f"{where} holds NaN or infinity in {bad[0]}{more}: its weights are of no use; use an earlier one")
    return dict(state)


def check_resumable(content: Mapping[str, Any], model: nn.Module, prefix: str, where: str) -> None:
    """What Lightning needs of a checkpoint to resume a run: there, of the right kind, and of the model's size.
    Raises CheckpointError saying what is missing or invalid.
    """

    def refused(what: str) -> CheckpointError:
        return CheckpointError(f"{where} cannot be resumed: its {what}; use an earlier one, or start a new run")

    for name, kind in (("epoch", int), ("global_step", int), ("loops", dict), ("callbacks", dict), ("pytorch-lightning_version", str)):
        if not isinstance(content.get(name), kind) or (kind is int and content[name] < 0):
            raise refused(f"{name} is missing or invalid")
    state = weights_of(content, prefix, where)
    sizes = [tuple(parameter.shape) for parameter in model.parameters() if parameter.requires_grad]
    for name in ("optimizer_states", "lr_schedulers"):
        if not isinstance(content.get(name), list) or not all(isinstance(each, dict) for each in content[name]):
            raise refused(f"{name} are missing or invalid")
    for optimizer in content["optimizer_states"]:
        moments = optimizer.get("state")
        if not isinstance(moments, dict) or not isinstance(optimizer.get("param_groups"), list):
            raise refused("optimizer_states are invalid")
        for index, values in moments.items():
            if not isinstance(index, int) or not 0 <= index < len(sizes) or not isinstance(values, dict):
                raise refused("optimizer_states are of another model")
            tensors = {f"the optimiser's {name} of parameter {index}": value for name, value in values.items() if isinstance(value, Tensor)}
            check_tensors(tensors, where)
            if any(value.ndim and tuple(value.shape) != sizes[index] for value in tensors.values()):
                raise refused("optimizer_states are of another model")
    if {key: value.shape for key, value in model.state_dict().items()} != {key: value.shape for key, value in state.items()}:
        raise refused("weights are of another model")
