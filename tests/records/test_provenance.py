from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from contextssl.records.provenance import PACKAGE, commit

NAME = '[project]\nname = "{}"\n'


def repository(root: Path, name: str) -> Path:
    """A checkout with one commit; its package's folder."""
    package = root / "src" / "contextssl"
    package.mkdir(parents=True)
    (root / "pyproject.toml").write_text(NAME.format(name))
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.hooksPath=/dev/null"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], cwd=root, check=True)
    return package


def test_the_packages_own_checkout_names_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = repository(tmp_path / "ours", "contextssl")
    found = commit(package)
    assert found is not None and len(found) >= 7
    repository(tmp_path / "other", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert commit(package) == found


def test_the_package_that_runs_is_looked_for_where_it_lies() -> None:
    """Whichever of its folders this module is in."""
    assert PACKAGE.name == "contextssl" and (PACKAGE / "version.py").is_file()
    if (PACKAGE.parents[1] / ".git").exists():
        assert commit() is not None


def test_a_strangers_repository_is_not_named(tmp_path: Path) -> None:
    """A package in an environment within a user's repository, and one in the place where ours would be."""
    repository(tmp_path / "theirs", "theirs")
    installed = tmp_path / "theirs" / ".venv" / "lib" / "python3.11" / "site-packages" / "contextssl"
    installed.mkdir(parents=True)
    assert commit(installed) is None
    assert commit(tmp_path / "theirs" / "src" / "contextssl") is None
