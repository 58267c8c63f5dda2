"""``-m``: one run for each combination of comma-separated values, by Hydra's launchers (joblib, Slurm, …).

Hydra makes the combinations and launches the jobs. Each value is passed to its job as it was written, and parsed there as any other word.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, unquote

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from contextssl.config.bare_words import MULTIRUN
from contextssl.config.overrides import given_words, settings_of
from contextssl.config.settings import TrainSettings
from contextssl.config.uses import in_all, needless
from contextssl.config.values import split
from contextssl.errors import ContextSSLError, SettingsError
from contextssl.system.console import plain_output, warn
from contextssl.system.files import storage_error

# Commands whose runs Hydra launches; a comparison calls this by itself.
SWEPT = ("train", "compare")
# Hydra's functions of several values; passed on as they are.
_FUNCTION = re.compile(r"(choice|range|interval|shuffle|sort|tag|glob)\(.*\)", re.DOTALL)
_MARK = "word:"
# Prefix of the words in Hydra's configuration, which keeps them apart from Hydra's own.
_PLACE = "given."


def without_launcher(words: Sequence[str]) -> list[str]:
    """The words that are settings; those that begin with ``hydra`` choose and configure the launcher."""
    return [word for word in words if not is_launcher(word)]


def is_launcher(word: str) -> bool:
    return word.lstrip("+~").startswith("hydra") or word in MULTIRUN


def sweep(command: str, schema: type[Any], run: Callable[[Any], int], words: Sequence[str], folder: str | None = None) -> int:
    """Runs a sweep through Hydra; each job has a run folder of its own. Words that begin with ``hydra`` choose and configure the launcher.

    Args:
        run: called with the settings of each job, in this process or in one of the launcher's, once those of all jobs were checked.
        folder: for files of Hydra and its launcher, given by a comparison, which sweeps over ``job`` alone; default: the folder of the runs,
            with a sweep over every setting that has several values.

    Raises SettingsError for a command without sweeps, settings of any job that :func:`~contextssl.config.overrides.settings_from` refuses, and
    runs that would share a folder; DataError if the folder cannot be written to.
    """
    if command not in SWEPT:
        raise SettingsError(f"{command} cannot be swept over: -m is for train")
    given = given_words(command, schema, without_launcher(words))
    swept = {"job"} if folder is not None else set(given)
    texts = [f"++{_PLACE}{name}={_sent(text, name in swept)}" for name, text in given.items()]
    several = [name for name, text in given.items() if name in swept and text not in _parts(text)]
    launcher = [word for word in words if is_launcher(word) and word not in MULTIRUN]

    def job(config: DictConfig) -> int:
        with plain_output():
            own = _received(HydraConfig.get().overrides.task)
            try:
                return run(settings_of(command, schema, own))
            except ContextSSLError as error:
                which = " ".join(f"{name}={own[name]}" for name in several)
                raise type(error)(f"{which}: {error}" if which else str(error)) from error

    if folder is None:
        folder = _check_jobs(command, schema, given, texts, launcher)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise storage_error(error, folder, "write into") from error
    escaped = folder.replace("'", "\\'").replace("${", "\\${")
    # Hydra would make folders of its own for each job; the runs' folders hold all that it would write.
    quiet = ["hydra.output_subdir=null", f"hydra.sweep.dir='{escaped}'", "hydra.sweep.subdir=."]
    quiet += ["hydra/job_logging=none", "hydra/hydra_logging=none"]
    with _own_hydra(["contextssl", "--multirun", *quiet, *launcher, *texts]):
        try:
            hydra.main(config_path=None, config_name=None, version_base="1.3")(job)()
        except (HydraException, OmegaConfBaseException) as error:
            raise SettingsError(_plain(error)) from None
    return 0


def _check_jobs(command: str, schema: type[Any], given: dict[str, str], texts: Sequence[str], launcher: Sequence[str]) -> str:
    """Checks the settings of every job, warns of those that no job reads, and returns the folder of the runs.
    Raises SettingsError for an error in any of them.
    """
    if any(word.lstrip("+~").startswith("hydra/sweeper") for word in launcher):
        # Only that sweeper knows its jobs, which may depend on the results of the first ones.
        return TrainSettings().output_dir
    try:
        parsed = OverridesParser.create().parse_overrides(list(texts))
        (jobs,) = BasicSweeper.split_arguments(parsed, None)
    except (HydraException, ValueError) as error:
        raise SettingsError(_plain(error)) from None
    if len(jobs) > 1:
        for name in ("run_dir", "resume"):
            if name in given and len({_received(job).get(name) for job in jobs}) < len(jobs):
                raise SettingsError(f"{name}={given[name]}: {len(jobs)} runs cannot share it; leave it out, output_dir=DIR holds them all")
    made = [settings_of(command, schema, _received(job)) for job in jobs]
    for sentence in in_all(needless(command, settings, list(given)) for settings in made):
        warn(sentence)
    return str(made[0].output_dir)


def _sent(text: str, swept: bool) -> str:
    """A value, or several, encoded so that Hydra passes it on without parsing it."""
    if swept and _FUNCTION.fullmatch(text.strip()):
        return text
    parts = _parts(text) if swept else [text]
    return ",".join(f"'{_MARK}{quote(part, safe='', errors='surrogateescape')}'" for part in parts)


def _parts(text: str) -> list[str]:
    return split(text) or [text]


def _received(words: Sequence[str]) -> dict[str, str]:
    """Decodes the words of :func:`_sent`."""
    given = {}
    for word in words:
        key, _, text = word.partition("=")
        plain = text[1:-1] if text[:1] == "'" else text
        given[key.removeprefix("++").removeprefix(_PLACE)] = (
            unquote(plain.removeprefix(_MARK), errors="surrogateescape") if plain.startswith(_MARK) else text
        )
    return given


@contextmanager
def _own_hydra(arguments: list[str]) -> Iterator[None]:
    """Hydra for the time of a sweep: the state of a surrounding program is saved and restored. Errors of jobs are raised unchanged."""
    argv, full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    around, its_config, its_version = GlobalHydra.instance().hydra, HydraConfig.instance().cfg, VersionBase.instance().getbase()
    sys.argv = arguments
    stream, sys.stderr = sys.stderr, _WithoutHydrasLine(sys.stderr)
    os.environ["HYDRA_FULL_ERROR"] = "1"
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        sys.argv, sys.stderr = argv, stream
        if full is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = around, its_config
        if its_version is not None:
            VersionBase.instance().setbase(its_version)


class _WithoutHydrasLine:
    """Standard error without the line in which Hydra repeats a failed job's words: the error names those that differ."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return len(text) if text.startswith("Error executing job with overrides:") else self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _plain(error: BaseException) -> str:
    """Hydra's and OmegaConf's messages in one line, without their internals."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
