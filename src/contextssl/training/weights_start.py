"""The weights that a run starts from: those of another run, to train it longer or on other data, or of a published checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from contextssl import checkpoints
from contextssl.checkpoints.content import named_method, recipe_of, refuse_named_code, weights_of
from contextssl.checkpoints.weights import load_weights
from contextssl.config.settings import TrainSettings
from contextssl.data.places import at_recorded_places
from contextssl.errors import SettingsError
from contextssl.models.view_encoder import ViewEncoder
from contextssl.models.weights_mark import weights_fingerprint

# Of this run alone, and never those of the run that it starts from.
OWN = (
    *("start_from", "resume", "output_dir", "run_dir", "epochs", "encoder_from", "pretrained", "encoder_factory", "max_minutes"),
    *("accelerator", "devices", "num_nodes", "workers", "wandb", "progress"),
)
# What names other data than those of the run that it starts from.
DATA = ("dataset", "data_dir", "path", "features", "meshes")


@dataclasses.dataclass(frozen=True)
class WeightsStart:
    """Weights to start from.

    Args:
        named: as the setting names them.
        state: the tensors.
        about: what the run's results keep of them: name, digest, and of a run of ours its steps and its own beginning.
    """

    named: str
    state: Mapping[str, Tensor]
    about: Mapping[str, Any]

    def load_into(self, model: ViewEncoder) -> dict[str, Any]:
        """Puts them into the model, and returns what the results keep of them. Raises CheckpointError where they are of another architecture."""
        load_weights(model, self.state, self.named)
        return {**self.about, "weights": weights_fingerprint(model)}


def weights_from(settings: TrainSettings) -> tuple[TrainSettings, WeightsStart]:
    """What ``settings.start_from`` names, and the settings: of a run of ours its own, but for those given, which differ from their defaults.

    Raises:
        SettingsError: where it is not said how many epochs are trained, or a setting cannot go with it.
        CheckpointError: where there is no such checkpoint, or it is damaged.
    """
    named, defaults = str(settings.start_from), TrainSettings()
    if settings.encoder_from is not None or settings.pretrained:
        other = "pretrained=true" if settings.pretrained else f"encoder_from={settings.encoder_from}"
        raise SettingsError(f"{other} and from={named} both say where weights come from: leave one out")
    if settings.epochs == defaults.epochs:
        raise SettingsError(f"from={named} starts a new run: say for how many epochs, such as epochs=+20")
    file = checkpoints.find_checkpoint(Path(named))
    content = checkpoints.read(file)
    if checkpoints.RECIPE not in content:
        # Of a published checkpoint the settings are those given.
        return settings, WeightsStart(named, checkpoints.load_content(file, content).state_dict(), {"model": named})
    recipe = recipe_of(content, named)
    own = checkpoints.settings_of(content, named, method=named_method(recipe["settings"].get("method", ""), settings.method, named))
    given = {
        field.name: value
        for field in dataclasses.fields(TrainSettings)
        if (value := getattr(settings, field.name)) != getattr(defaults, field.name) or field.name in OWN
    }
    merged = dataclasses.replace(own, **{**given, "own": {**own.own, **settings.own}})
    refuse_named_code(merged.dataset, merged.factors, settings.factors, named)
    if not given.keys() & {*DATA}:
        merged = dataclasses.replace(merged, **at_recorded_places(merged, recipe["data"], store=False))
    about = {"model": named, "steps": content.get("global_step"), "before": recipe.get("start_from")}
    return merged, WeightsStart(named, weights_of(content, checkpoints.MODEL_PREFIX, named), about)
