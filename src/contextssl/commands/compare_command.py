"""``contextssl compare`` and ``reproduce``: many runs, compared in tables."""

from __future__ import annotations

from contextssl import advice
from contextssl.compare import jobs_of, run_job, tables, unfinished
from contextssl.config.comparison_settings import CompareSettings, ReproduceSettings
from contextssl.config.overrides import given_words, settings_from, settings_of
from contextssl.config.sweep import sweep, without_launcher
from contextssl.config.uses import needless
from contextssl.errors import SettingsError
from contextssl.reproduce import experiment_named
from contextssl.system.console import warn


def run_compare(words: list[str]) -> int:
    given = given_words("compare", CompareSettings, without_launcher(words))
    settings = settings_of("compare", CompareSettings, given)
    for sentence in needless("compare", settings, list(given)):
        warn(sentence)
    jobs = jobs_of(settings)
    if settings.job >= 0:
        if settings.job >= len(jobs):
            raise SettingsError(f"job is {settings.job}: this comparison has runs 0 to {len(jobs) - 1}")
        print(f"{jobs[settings.job].name}: {run_job(jobs[settings.job], settings)}")
        return 0
    left = unfinished(jobs, settings)
    print(f"{len(jobs)} runs in {settings.compare_dir}: {len(jobs) - len(left)} finished, {len(left)} to do", flush=True)

    def run_one(given: CompareSettings) -> int:
        # The jobs are closed over, so that a launcher can run this elsewhere.
        print(f"run {given.job + 1} of {len(jobs)}: {jobs[given.job].name}", flush=True)
        run_job(jobs[given.job], given)
        return 0

    if left:
        sweep("compare", CompareSettings, run_one, [*words, f"job={','.join(map(str, left))}"], settings.compare_dir)
    made = tables(jobs, settings, advice.command(["contextssl", "compare", *words]))
    if made.differences:
        warn(f"these runs were not evaluated in the same way: {' · '.join(made.differences)}")
    print(f"tables: {made.markdown} and {made.csv.name}\npage: {made.page}")
    return 0


def run_reproduce(words: list[str]) -> int:
    """An experiment is a comparison with known settings: its command is printed, then run."""
    asked = settings_from("reproduce", ReproduceSettings, without_launcher(words))
    experiment = experiment_named(asked.what)
    print(experiment.described(words), flush=True)
    return run_compare(experiment.words(words))
