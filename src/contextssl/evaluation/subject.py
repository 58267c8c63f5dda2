"""What is evaluated: from the settings to a model with its data."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextssl import checkpoints
from contextssl.config.data_settings import DataSettings
from contextssl.config.evaluation_settings import EvaluatedDataSettings, EvaluateSettings
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import TABLES, Data, is_store, open_data
from contextssl.environments import environments_of
from contextssl.errors import DataError, SettingsError
from contextssl.factors import Environment
from contextssl.models.view_encoder import ViewEncoder
from contextssl.training.storage import new_run_folder


@dataclass
class Subject:
    """What is evaluated: a model with its data, and the folder that its results go to.

    Args:
        model: in evaluation mode.
        data: what it is evaluated on; contexts and probes come from its training split.
        folder: where ``results.json`` is, or will be.
        trained_on: the environments of the run's training; None where that is not known.
        settings: of the run's training, where there was one.
        checkpoint: its name, such as ``"last"``; None of a model that comes from no run's checkpoint.
    """

    model: ViewEncoder
    data: Data
    folder: Path
    trained_on: tuple[Environment, ...] | None = None
    settings: TrainSettings | None = None
    checkpoint: str | None = None

    @property
    def chosen_on(self) -> str | None:
        """The split whose items the checkpoint was chosen on; training keeps as ``best`` what scored best on validation pairs."""
        return "val" if self.checkpoint is not None and self.checkpoint.split("-")[0] == "best" else None

    def chosen_on_what_is_read(self, split: str) -> str | None:
        """A note where the checkpoint was chosen on the very split that is evaluated."""
        if self.chosen_on != split:
            return None
        return (
            f"checkpoint={self.checkpoint} was chosen while training by its score on the {split} split, so its numbers there are better than it is: "
            "report checkpoint=last, or another split"
        )


def open_subject(settings: EvaluateSettings) -> Subject:
    """The model and the data that the settings name.

    Raises:
        SettingsError: where no model is named.
        CheckpointError: where it is missing, damaged or of another kind.
        DataError: where its data are missing.
    """
    if settings.load_model is None:
        raise SettingsError("say which model to evaluate: load_model=RUN, a run's folder or a published checkpoint")
    named = Path(settings.load_model)
    if settings.pretrained_model_dir is not None:
        named = Path(settings.pretrained_model_dir) / named
    file = checkpoints.find_checkpoint(named, settings.checkpoint)
    content = checkpoints.read(file)
    ours = checkpoints.RECIPE in content
    trained = checkpoints.settings_of(content) if ours else None
    data = open_data(_data_settings(settings, trained, content[checkpoints.RECIPE]["data"] if ours else {}), progress=settings.progress)
    means: dict[str, Any] = {"image_mean": settings.image_mean, "image_std": settings.image_std}
    if not ours and settings.image_mean is None and settings.image_std is None:
        means = {"image_mean": data.image_mean, "image_std": data.image_std}
    model = checkpoints.load_any(file, n_head=settings.n_head, block_size=settings.block_size, **means)
    if content.get(checkpoints.RECIPE, {}).get("columns") is not None:
        _check_columns(content[checkpoints.RECIPE]["columns"], data, named)
    if trained is None:
        return Subject(model, data, new_run_folder(settings.output_dir, f"evaluate-{file.stem}", settings.run_dir))
    recorded = content[checkpoints.RECIPE]["data"].get("fingerprint")
    if recorded is not None and recorded != data.description.get("fingerprint"):
        warnings.warn(
            f"{named} was trained on other data (fingerprint {recorded}, these have {data.description.get('fingerprint')}): "
            "contexts and probes are taken from the training split of these",
            UserWarning,
            stacklevel=2,
        )
    folder = file.parent.parent if file.parent.name == "checkpoints" else file.parent
    mix = environments_of(trained, model.factors)
    return Subject(model, data, folder, mix.environments, trained, file.stem)


def _check_columns(trained_on: list[dict[str, Any]], data: Data, named: Path) -> None:
    """A code means the category that it meant in training, or nothing that is read from these rows means anything.

    Raises:
        DataError: where the table's columns, categories or scales have become others.
    """
    now = [] if data.columns is None else data.columns.to_list()
    if now == trained_on:
        return
    strange = [column["name"] for column in now if column not in trained_on] + [c["name"] for c in trained_on if c not in now]
    differ = ", ".join(dict.fromkeys(strange))
    raise DataError(
        f"the table is not the one that {named} was trained on: {differ} would be read otherwise; name the file that it was trained on, or train "
        "on this one"
    )


def _data_settings(settings: EvaluateSettings, trained: TrainSettings | None, recorded: Mapping[str, Any]) -> DataSettings:
    """Of the run's training, where there was one, and of the settings whatever is given."""
    base = trained if trained is not None else DataSettings()
    values = {field.name: getattr(base, field.name) for field in dataclasses.fields(DataSettings)}
    given = {field.name: getattr(settings, field.name) for field in dataclasses.fields(EvaluatedDataSettings)}
    given = {name: value for name, value in given.items() if value is not None}
    # The very store that the run was trained on, as long as nothing else is asked for, wherever this is called from.
    path = recorded.get("path")
    if not given and path is not None and is_store(Path(path)):
        values["data_dir"] = path
    elif path is not None and values["dataset"] in TABLES and settings.data_dir is None and Path(path).exists():
        values["path" if values["dataset"] == "table" else "data_dir"] = path
    return DataSettings(**{**values, **given})
