from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.settings import TrainSettings
from contextssl.errors import SettingsError
from contextssl.evaluation.evaluated import _data_settings, open_evaluated
from contextssl.models.published_weights import IMAGE_MEAN, IMAGE_STD
from tests.reference import published_state
from tests.sources import ToySource, toy_store

OWN = "mine:Solarize"


@pytest.mark.parametrize("given", [{}, {"image_mean": [0.4, 0.4, 0.4], "image_std": [0.2, 0.2, 0.2]}])
def test_a_published_checkpoint_normalises_as_published_whatever_the_data(tmp_path: Path, given: dict[str, Any]) -> None:
    store = toy_store(tmp_path / "store", ToySource({"train": 4, "val": 2}), resolution=8)
    torch.save(published_state(), tmp_path / "published.pt")
    evaluated = open_evaluated(
        EvaluateSettings(
            load_model=str(tmp_path / "published.pt"),
            data_dir=str(tmp_path / "store"),
            resolution=8,
            run_dir=str(tmp_path / "run"),
            **given,
        )
    )
    mean, std = (given["image_mean"], given["image_std"]) if given else (IMAGE_MEAN, IMAGE_STD)
    assert evaluated.model.image_mean is not None and evaluated.model.image_std is not None
    torch.testing.assert_close(evaluated.model.image_mean.flatten(), torch.tensor(mean))
    torch.testing.assert_close(evaluated.model.image_std.flatten(), torch.tensor(std))
    assert abs(store.image_mean[0] - mean[0]) > 1e-3
    assert evaluated.backbone == "resnet18"


def test_augmentations_of_ones_own_count_where_they_are_named_again() -> None:
    trained = TrainSettings(dataset="images", factors=["crop", OWN])
    for given in (None, ["crop"]):
        with pytest.raises(SettingsError, match=r"mine:Solarize.*name it again by factors=\[crop,mine:Solarize\]"):
            _data_settings(EvaluateSettings(factors=given), trained, {}, "RUN")
    read = _data_settings(EvaluateSettings(factors=["crop", OWN]), trained, {}, "RUN")
    assert read.factors == ["crop", OWN] and read.dataset == "images"


def test_a_column_with_a_colon_is_no_code() -> None:
    trained = TrainSettings(dataset="table", factors=["group:sex"])
    assert _data_settings(EvaluateSettings(), trained, {}, "RUN").factors == ["group:sex"]
    with pytest.raises(SettingsError, match="group:sex"):
        _data_settings(EvaluateSettings(dataset="images"), trained, {}, "RUN")
