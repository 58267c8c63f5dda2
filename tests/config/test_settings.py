from __future__ import annotations

import pytest

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.settings import TrainSettings


@pytest.mark.parametrize("schema", [TrainSettings, EvaluateSettings])
def test_no_two_groups_of_settings_declare_the_same_name(schema: type) -> None:
    """The second would silently take the place of the first."""
    declared = [name for group in schema.__mro__ if group is not object for name in vars(group).get("__annotations__", {})]
    assert sorted(declared) == sorted(set(declared))
