"""The run that the tests of the explorer share."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextssl.config.explorer_settings import ExploreSettings
from contextssl.explorer.answers import Explorer
from contextssl.explorer.opening import open_explorer
from tests.explorer.tiny import trained


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("explored"))


@pytest.fixture(scope="session")
def explorer(run: Path) -> Explorer:
    """Of the run's objects, rendered again."""
    return open_explorer(ExploreSettings(model=str(run), views=72, accelerator="cpu", progress=False))
