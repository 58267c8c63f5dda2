"""A comparison: trains and evaluates the runs that are missing, uses those that are finished, and writes the tables.

Each run is a job of a Hydra sweep, so that a launcher (joblib, Slurm) can distribute them over cores or machines; a stopped comparison resumes.
"""

from __future__ import annotations

import itertools
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contextssl.config.comparison_settings import CompareSettings
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data_set import own_name
from contextssl.demo import evaluation_settings
from contextssl.errors import CheckpointError, SettingsError
from contextssl.evaluation.evaluate import CACHE, evaluate
from contextssl.method import METHODS
from contextssl.named_code import own_names
from contextssl.protocol import PROTOCOLS, Protocol, settings_that_count
from contextssl.records.provenance import describe_machine
from contextssl.records.results import RESULTS, evaluation_name, read_results
from contextssl.records.run_folder import LOCK, SETTINGS, held, is_early
from contextssl.report.collect import read_run
from contextssl.report.comparison import Comparison, Entry, write_comparison
from contextssl.training.resume import checkpoint_to_resume, stored_settings
from contextssl.training.run import train
from contextssl.variants import Variant, differing, method_variants, varied


@dataclass(frozen=True)
class Job:
    """One run of a comparison."""

    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        return f"{self.variant.name}, seed {self.seed}"


def jobs_of(settings: CompareSettings) -> list[Job]:
    """The runs, seed by seed, so that a stopped comparison has complete tables of fewer seeds. Opens the data, which may render or pack them.

    Raises:
        SettingsError: for invalid methods, conditions, seeds or protocols.
    """
    settings.protocols = [PROTOCOLS.current(name) for name in settings.protocols]
    for protocol in settings.protocols:
        PROTOCOLS.find(protocol)
    if not settings.protocols:
        raise SettingsError(f"protocols is empty: name at least one of {', '.join(PROTOCOLS.names())}")
    if not settings.seeds or len(set(settings.seeds)) < len(settings.seeds):
        raise SettingsError(f"seeds is {list(settings.seeds)}: name at least one, and each once")
    factors = open_data(settings, progress=settings.progress).train.factors
    conditions = list(factors.names) if settings.conditions is None else [factors.environment(name).name for name in settings.conditions]
    variants = varied(method_variants(settings.methods, conditions), settings.vary)
    return [Job(variant, seed) for seed in settings.seeds for variant in variants]


def unfinished(jobs: Sequence[Job], settings: CompareSettings) -> list[int]:
    """The numbers of the jobs that are not finished.

    Raises:
        SettingsError: if the folder of a job holds a run with other settings.
    """
    left = []
    for number, job in enumerate(jobs):
        wanted, folder = _wanted(job, settings)
        if not (folder / RESULTS).is_file() or _missing(wanted, folder, settings):
            left.append(number)
    return left


def run_job(job: Job, settings: CompareSettings) -> Path:
    """Trains and evaluates the run, as far as that is not done; returns its folder."""
    wanted, folder = _wanted(job, settings)
    _train(wanted, folder)
    if missing := _missing(wanted, folder, settings):
        evaluate(_evaluation(wanted, folder, settings), missing)
        # The cached features of many runs would take more space than the runs.
        shutil.rmtree(folder / CACHE, ignore_errors=True)
    return folder


def _wanted(job: Job, settings: CompareSettings) -> tuple[TrainSettings, Path]:
    """The settings of a job's run, and its folder, in which there is no other run."""
    wanted = job.variant.settings(settings, job.seed, Path(settings.compare_dir))
    folder = Path(str(wanted.run_dir))
    _check_same(wanted, folder)
    return wanted, folder


def _check_same(wanted: TrainSettings, folder: Path) -> None:
    if (folder / SETTINGS).is_file() and (differ := differing(stored_settings(folder), wanted)):
        raise SettingsError(
            f"{folder} belongs to another comparison ({'; '.join(differ[:3])}): choose another compare_dir, or remove that folder"
        )


def _train(wanted: TrainSettings, folder: Path) -> None:
    if (folder / RESULTS).is_file():
        return
    # A run that was stopped before its first checkpoint starts again in the same folder.
    if folder.is_dir() and not is_early(folder):
        try:
            checkpoint_to_resume(folder)
        except CheckpointError:
            # It cannot be resumed, but only the user can say whether to delete it.
            with held(folder):
                names = (folder.with_name(f"{folder.name}.stopped-{number}") for number in itertools.count(1))
                aside = folder.rename(next(name for name in names if not name.exists()))
            (aside / LOCK).unlink(missing_ok=True)
            warnings.warn(f"{folder} has no checkpoint to resume from: it is kept as {aside}, and trained again", stacklevel=2)
        else:
            # A resumed run does not inherit max_minutes. The user's own code is named again: none is imported because a checkpoint names it.
            again = ("progress", "max_minutes", "method", "dataset", "factors", "encoder_factory")
            train(TrainSettings(resume=str(folder), **{name: getattr(wanted, name) for name in again}))
            return
    train(wanted)


def _missing(wanted: TrainSettings, folder: Path, settings: CompareSettings) -> list[str]:
    """The protocols by which a run has yet to be evaluated with these settings, of those that apply to its method."""
    made = read_results(folder)[0].get("evaluations", {})
    asked = _evaluation(wanted, folder, settings)
    named = {name: PROTOCOLS.find(name) for name in settings.protocols}
    return [name for name, protocol in named.items() if protocol.is_of(wanted) and not _made_with_same(made, protocol, asked)]


def _made_with_same(made: Mapping[str, Any], protocol: Protocol, asked: EvaluateSettings) -> bool:
    """Whether a protocol's numbers were made with the same settings, as far as they change numbers. One that is not recorded counts as different."""
    there = made.get(evaluation_name(protocol.name, protocol.split(asked)), {}).get("settings")
    if there is None:
        return False
    # Results of earlier versions have no settings of plug-ins.
    there = {"own": {}, **there}
    return all(name in there and there[name] == getattr(asked, name) for name in settings_that_count(protocol))


def _evaluation(wanted: TrainSettings, folder: Path, settings: CompareSettings) -> EvaluateSettings:
    """The evaluation, the same for every run: the demo's probes, or the paper's (and its retrieval) with ridge and kNN. Lengths and environments
    are for methods that take contexts.
    """
    method = METHODS.find(wanted.method)
    probes = EvaluateSettings(load_model=str(folder), heads=["published", "ridge", "knn"], sources="published")
    return replace(
        evaluation_settings(folder, settings) if settings.evaluation == "quick" else probes,
        bottleneck=settings.compare_bottleneck,
        eval_ctxt=settings.compare_lengths if method.contexts else None,
        environments=settings.compare_environments if method.aim == "context" else None,
        sensitivity_items=0,
        factors=wanted.factors if own_names(wanted.factors) else None,
        dataset=own_name(wanted.dataset),
        encoder_factory=wanted.encoder_factory,
        method=wanted.method if METHODS.is_own(wanted.method) else None,
        accelerator=settings.accelerator,
        progress=settings.progress,
    )


def tables(jobs: Sequence[Job], settings: CompareSettings, command: str) -> Comparison:
    """Reads every run's results and writes the comparison into ``settings.compare_dir``. The page shows ``command``."""
    root = Path(settings.compare_dir)
    published = settings.evaluation == "published"
    made: list[Entry] = []
    for variant in {job.variant.name: job.variant for job in jobs}.values():
        own = [job for job in jobs if job.variant.name == variant.name]
        runs = tuple(read_run(variant.folder(root, job.seed), job.name, prefer_published=published) for job in own)
        made.append(Entry(variant.name, variant.group, runs, variant.published))
    about = describe_machine()
    minutes = sum(float(run.about.get("seconds", 0.0)) for entry in made for run in entry.runs) / 60
    lines = {
        "command": command,
        "date": str(about["date"]),
        "commit": str(about["commit"]),
        "machine": f"{about['machine']}, {about['device']}, {about['threads']} threads",
        "training": f"{minutes:.0f} minutes of training in {len(jobs)} runs",
    }
    return write_comparison(made, root, protocols=settings.protocols, about=lines)
