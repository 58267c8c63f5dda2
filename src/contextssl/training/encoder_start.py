"""The encoder that a run starts from: that of another run, or pretrained weights, with the statistics that its images are normalised by."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from contextssl import checkpoints
from contextssl.checkpoints.content import known_settings, recipe_of, weights_of
from contextssl.checkpoints.weights import load_weights
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data
from contextssl.errors import SettingsError
from contextssl.models.frozen_encoder import FrozenEncoder
from contextssl.models.view_encoder import ViewEncoder

# Of the settings of the other run, those that say how its encoder is built.
BUILT_BY = ("backbone", "stem", "pool", "feature_norm")


@dataclasses.dataclass(frozen=True)
class EncoderStart:
    """The encoder of another run.

    Args:
        run: as the setting names it.
        view_shape: of the images that it takes, (C, H, W).
        image_mean, image_std: of each channel of those that it was trained on.
        state: its weights.
    """

    run: str
    view_shape: tuple[int, ...]
    image_mean: list[float] | None
    image_std: list[float] | None
    state: Mapping[str, Tensor]

    def normalising(self, data: Data) -> Data:
        """The data, normalised as the encoder knows them. Raises SettingsError as :meth:`check_views`."""
        self.check_views(data.view_shape)
        return dataclasses.replace(data, image_mean=self.image_mean, image_std=self.image_std)

    def check_views(self, shape: Sequence[int]) -> None:
        """Raises SettingsError for images of another size."""
        if tuple(shape) != self.view_shape:
            raise SettingsError(
                f"encoder_from={self.run} takes views of {' × '.join(map(str, self.view_shape))}, and these are "
                f"{' × '.join(map(str, shape))}: say resolution={self.view_shape[-1]}, or choose another encoder"
            )

    def load_into(self, model: ViewEncoder) -> dict[str, Any]:
        """Puts it into the model, and returns what the results keep of it. Raises CheckpointError where it is of another architecture."""
        load_weights(encoder_in(model), self.state, self.run)
        return {"encoder": self.run}


def encoder_in(model: ViewEncoder) -> nn.Module:
    """The encoder of images."""
    encoder = model.encoder
    return encoder.encoder if isinstance(encoder, FrozenEncoder) and encoder.encoder is not None else encoder


def encoder_from(settings: TrainSettings, given_encoder: bool) -> tuple[TrainSettings, EncoderStart]:
    """The encoder of the run that ``settings.encoder_from`` names, and the settings with that run's backbone in place of their own.

    Raises:
        SettingsError: where there is no such encoder of images, or it is the user's own and not given again.
        CheckpointError: where there is no such checkpoint, or it is damaged.
    """
    named = str(settings.encoder_from)
    file = checkpoints.find_checkpoint(Path(named))
    content = checkpoints.read(file)
    if checkpoints.RECIPE not in content:
        raise SettingsError(f"encoder_from={named} is no run of ours: name a run's folder, or a checkpoint in it")
    recipe = recipe_of(content, named)
    if recipe["encoder"] is not None and not given_encoder:
        raise SettingsError(
            f"encoder_from={named} has an encoder of your own, {recipe['encoder']}: give encoder_factory=module:function too"
        )
    if len(recipe["view_shape"]) != 3:
        raise SettingsError(f"encoder_from={named} has no encoder of images: name a run that was trained on images")
    built_by = known_settings(recipe["settings"], recipe.get("version"), named)
    given = {name: built_by[name] for name in BUILT_BY if name in built_by}
    prefix = f"{checkpoints.MODEL_PREFIX}encoder.{'encoder.' if built_by.get('freeze') else ''}"
    start = EncoderStart(named, tuple(recipe["view_shape"]), recipe["image_mean"], recipe["image_std"], weights_of(content, prefix, named))
    return dataclasses.replace(settings, **given, pretrained=False), start


def normalising(data: Data, settings: TrainSettings, start: EncoderStart | None, content: Mapping[str, Any]) -> Data:
    """The data with the statistics that the run's encoder knows images by: those of the run that it is from, or of the checkpoint that is resumed,
    whose ``content`` this is; of a frozen encoder with timm's weights, which cannot learn others, those of timm.

    Raises:
        SettingsError: where the encoder takes images of another size.
    """
    if start is not None:
        return start.normalising(data)
    if content:
        recipe = content[checkpoints.RECIPE]
        return dataclasses.replace(data, image_mean=recipe["image_mean"], image_std=recipe["image_std"])
    if not (settings.freeze and settings.pretrained) or len(data.view_shape) != 3 or data.view_shape[0] != 3:
        return data
    import timm

    config = timm.get_pretrained_cfg(settings.backbone)
    return data if config is None else dataclasses.replace(data, image_mean=list(config.mean), image_std=list(config.std))
