"""How wide an encoder's features are: what its output says, found by one forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contextssl.errors import InputError, SettingsError
from contextssl.models.evaluation_mode import evaluation_mode


def output_shape(module: nn.Module, view_shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of a module's output for one view of zeros; its running statistics stay as they were. Nothing is computed where the module runs
    on the meta device, so that this takes no memory whatever the views' size.
    """
    tensors = {name: tensor.to("meta") for pairs in (module.named_parameters(), module.named_buffers()) for name, tensor in pairs}
    with torch.no_grad(), evaluation_mode(module):
        try:
            made = torch.func.functional_call(module, tensors, (torch.zeros(1, *view_shape, device="meta"),))
        except (RuntimeError, NotImplementedError):
            made = module(torch.zeros(1, *view_shape))
    return tuple(made.shape)


def feature_width(encoder: nn.Module) -> int:
    """F of an encoder, its ``num_features``. Raises SettingsError where it has none."""
    width = getattr(encoder, "num_features", None)
    if not isinstance(width, int):
        raise SettingsError(f"{type(encoder).__name__} has no num_features: set it to the width of its output, or pass feature_width=…")
    return width


def check_encoder(encoder: nn.Module, view_shape: Sequence[int]) -> None:
    """One forward pass of two views of zeros through an encoder of the user's own, in evaluation mode. Raises SettingsError where it fails, or
    its features are not (2, ``num_features``) floats.
    """
    width, name, shape = feature_width(encoder), type(encoder).__name__, (2, *view_shape)
    device = next((tensor.device for tensors in (encoder.parameters(), encoder.buffers()) for tensor in tensors), torch.device("cpu"))
    with torch.no_grad(), evaluation_mode(encoder):
        try:
            features = encoder(torch.zeros(shape, device=device))
        except Exception as error:  # whatever a user's module raises
            reason = str(error).splitlines()[0] if str(error) else "no message"
            raise SettingsError(
                f"the encoder {name} fails on float views of shape {shape}: {type(error).__name__}: {reason}; it must take the data's views"
            ) from error
    try:
        check_features(features, len(features) if isinstance(features, Tensor) and features.ndim else 0, width, name)
    except InputError as error:
        raise SettingsError(str(error)) from None
    if len(features) != 2:
        raise SettingsError(
            f"the encoder {name} makes {tuple(features.shape)} of 2 views: its output must be one row per view, (2, {width})"
        )


def check_features(features: object, count: int, width: int, name: str) -> None:
    """Raises InputError where what the encoder of that name made of ``count`` views is no float tensor (count, ``width``)."""
    gives = f"the encoder {name} gives"
    if not isinstance(features, Tensor):
        raise InputError(f"{gives} a {type(features).__name__}, not a tensor (n, {width}): return the features alone")
    if features.ndim != 2:
        raise InputError(f"{gives} {tuple(features.shape)}, not ({count}, {width}): pool or flatten its output to one row per view")
    if features.shape != (count, width):
        raise InputError(
            f"{gives} features of shape {tuple(features.shape)}, but its num_features (or feature_width) is {width}: "
            f"set that to {features.shape[1]}"
        )
    if not features.dtype.is_floating_point:
        raise InputError(f"{gives} {features.dtype}: features must be floats")
