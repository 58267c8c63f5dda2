"""The model that is evaluated and its data, from the settings."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextssl import checkpoints
from contextssl.checkpoints.content import recipe_of, refuse_named_code, refuse_unnamed_parts
from contextssl.config.data_settings import DataSettings
from contextssl.config.evaluation_settings import EvaluatedDataSettings, EvaluateSettings
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data, open_data
from contextssl.data.environments import environments_of
from contextssl.data.places import at_recorded_places
from contextssl.data.views import ViewBank, Views
from contextssl.errors import DataError, SettingsError
from contextssl.evaluation.frozen_features import stored_features
from contextssl.factors import Environment
from contextssl.models.model_file import SUFFIX
from contextssl.models.published_weights import backbone_of as published_backbone
from contextssl.models.view_encoder import ViewEncoder
from contextssl.named_code import own_encoder
from contextssl.records.results import RESULTS
from contextssl.records.run_folder import new_run_folder


@dataclass
class Evaluated:
    """A model that is evaluated, its data, and the folder of its results.

    Args:
        model: in evaluation mode.
        data: contexts and probes come from its training split.
        trained_on: the environments of its training; None if unknown.
        settings: of the run's training, where there was one.
        own_encoder: the class of a user's own encoder.
        backbone, file: of a published checkpoint; the checkpoint.
        stored: of a frozen encoder: by the views of a split their features, where they are stored, and a fingerprint of those.
    """

    model: ViewEncoder
    data: Data
    folder: Path
    trained_on: tuple[Environment, ...] | None = None
    settings: TrainSettings | None = None
    own_encoder: str | None = None
    backbone: str | None = None
    file: Path | None = None
    stored: tuple[Mapping[ViewBank, Views], str | None] = ({}, None)

    @property
    def checkpoint(self) -> str | None:
        """Its name, such as ``"last"``."""
        return None if self.file is None else self.file.stem

    @property
    def chosen_on(self) -> str | None:
        """The split that the checkpoint was chosen on: ``best`` scored best on validation pairs during training."""
        return "val" if (self.checkpoint or "").split("-")[0] == "best" else None

    def chosen_on_evaluated_split(self, split: str) -> str | None:
        """A note where the checkpoint was chosen on the very split that is evaluated."""
        if self.chosen_on != split:
            return None
        return (
            f"checkpoint={self.checkpoint} was chosen while training by its score on the {split} split, so its numbers there are biased upwards: "
            "report checkpoint=last, or another split"
        )


def open_evaluated(settings: EvaluateSettings) -> Evaluated:
    """The model and the data that the settings name. SettingsError where no model is named; CheckpointError, DataError where it, or its data, are
    missing, damaged or of another kind.
    """
    named = settings.named_model("say which model to evaluate: load_model=RUN, a run's folder or a published checkpoint")
    file = checkpoints.find_checkpoint(named, settings.checkpoint)
    content = checkpoints.read(file)
    ours = checkpoints.RECIPE in content
    made = recipe_of(content, str(named)) if ours else {"data": {}}
    trained = checkpoints.settings_of(content, str(named), method=settings.method) if ours else None
    encoder = None if settings.encoder_factory is None else own_encoder(settings.encoder_factory)
    if ours:
        refuse_unnamed_parts(content, data=settings.dataset is not None, encoder=encoder is not None, where=str(named))
    # A published checkpoint's images are normalised as published, whatever the data's own statistics are.
    model = checkpoints.load_content(
        file,
        content,
        encoder=encoder,
        method=settings.method,
        n_head=settings.n_head,
        block_size=settings.block_size,
        image_mean=settings.image_mean,
        image_std=settings.image_std,
    )
    of_data = _data_settings(settings, trained, made["data"], str(named))
    data = open_data(of_data, progress=settings.progress)
    if trained is None:
        folder = _results_folder(settings) or new_run_folder(settings.output_dir, f"evaluate-{file.stem}")
        return Evaluated(model, data, folder, backbone=published_backbone(model.encoder.state_dict()), file=file)
    if made.get("columns") is not None:
        _check_columns(made["columns"], data, named)
    recorded = made["data"].get("fingerprint")
    if recorded is not None and recorded != data.description.get("fingerprint"):
        warnings.warn(
            f"{named} was trained on other data (fingerprint {recorded}, these have {data.description.get('fingerprint')}): "
            "contexts and probes are taken from the training split of these",
            UserWarning,
            stacklevel=2,
        )
    folder = _results_folder(settings) or _folder_of(file, settings)
    mix = environments_of(trained, model.factors)
    stored = stored_features(data, model, trained, of_data.features_dir)
    return Evaluated(model, data, folder, mix.environments, trained, made["encoder"], file=file, stored=stored)


def _folder_of(file: Path, settings: EvaluateSettings) -> Path:
    """The run's own; of a model that was saved outside one, such as those of the package, a new one in ``output_dir``."""
    if file.suffix == SUFFIX:
        return new_run_folder(settings.output_dir, f"evaluate-{file.stem}")
    return file.parent.parent if file.parent.name == "checkpoints" else file.parent


def _results_folder(settings: EvaluateSettings) -> Path | None:
    """``run_dir``, which may hold results already, to which rows are added; SettingsError where it holds something else."""
    if settings.run_dir is None:
        return None
    folder = Path(settings.run_dir)
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    # An evaluation that was stopped leaves its cache.
    strange = RESULTS not in there and any(not name.startswith(".") and name != "cache" for name in there)
    if strange or (folder.exists() and not folder.is_dir()):
        raise SettingsError(f"run_dir {folder} is neither empty nor a folder of results: choose another")
    return folder


def _check_columns(trained_on: list[dict[str, Any]], data: Data, named: Path) -> None:
    """DataError where the table's columns, categories and scales, on which the meaning of its codes depends, are not those of the training."""
    now = [] if data.columns is None else data.columns.to_list()
    if now == trained_on:
        return
    differ = ", ".join(dict.fromkeys(c["name"] for c in [*now, *trained_on] if c not in now or c not in trained_on))
    raise DataError(
        f"the table is not the one that {named} was trained on: {differ} would be encoded differently; name the file that it was trained on, or "
        "train on this one"
    )


def _data_settings(settings: EvaluateSettings, trained: TrainSettings | None, recorded: Mapping[str, Any], where: str) -> DataSettings:
    """Of the run's training, where there was one, and of the settings whatever is given."""
    base = trained if trained is not None else TrainSettings()
    names = [field.name for field in dataclasses.fields(EvaluatedDataSettings)]
    given = {name: value for name in names if (value := getattr(settings, name)) is not None}
    refuse_named_code(given.get("dataset", base.dataset), base.factors, settings.factors, where)
    # The very store that the run was trained on, unless other data are given, from any working folder.
    found = at_recorded_places(base, recorded, store=not set(given) - {"factors"})
    # An evaluation does not pack with the processes of the training.
    return dataclasses.replace(base, **{**found, **given}, own={**base.own, **settings.own}, workers=-1)
