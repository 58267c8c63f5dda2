"""What each command does with its settings, and what it prints at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from contextssl import advice
from contextssl.compare import jobs_of, run_job, tables, unfinished
from contextssl.config.comparison_settings import CompareSettings, ReproduceSettings
from contextssl.config.data_settings import CheckSettings, PackSettings, RenderSettings
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.overrides import given_words, settings_from, settings_of
from contextssl.config.settings import DemoSettings, ReportSettings, TrainSettings
from contextssl.config.sweep import sweep, without_launcher
from contextssl.config.uses import needless
from contextssl.console import show, warn
from contextssl.data.check import CheckReport, check
from contextssl.data.dataset import packed_folder, shapes_source
from contextssl.data.folder import write_folder
from contextssl.data.pack import pack
from contextssl.data.threediebench import ThreeDIEBenchSource
from contextssl.demo import demo
from contextssl.distributed import is_first_process
from contextssl.errors import SettingsError
from contextssl.evaluation.fairness_summary import fairness_summary
from contextssl.evaluation.protocols import PROTOCOLS, evaluation_name, rows_split
from contextssl.evaluation.results import RESULTS, ResultRow, read_results
from contextssl.evaluation.run import evaluate
from contextssl.evaluation.summary import summary
from contextssl.evaluation.verdict import verdict
from contextssl.memory import peak_memory_mib
from contextssl.report import write_report
from contextssl.report.collect import read_run
from contextssl.report.gallery import OwnCode
from contextssl.report.screen import adaptation_screen
from contextssl.reproduce import experiment_of
from contextssl.training.run import train

if TYPE_CHECKING:
    from contextssl.data.augmentations import Augmentations


def run_demo(settings: DemoSettings) -> int:
    made = demo(settings)
    run = read_run(made.folder)
    console = Console(highlight=False)
    evaluated = next(iter(run.evaluations.values()))
    told = f"{evaluated['items']} unseen objects, mean of {evaluated['contexts']} contexts"
    console.print(f"\nOne model, no weight changed: {told}", style="bold")
    if (screen := adaptation_screen(run)) is not None:
        show(screen, console)
    console.print("share: of the embedding's variance; then R² by neighbours, the model's own head,")
    console.print("fresh ridge from noisy embeddings: docs/evaluation.md")
    took = ", ".join(f"{part} {seconds / 60:.1f} min" for part, seconds in made.seconds.items())
    console.print(f"{took}; at most {peak_memory_mib() / 1024:.1f} GiB")
    console.print(f"open the report: {made.report}", style="bold")
    return 0


def run_train(settings: TrainSettings) -> int:
    folder = train(settings)
    if is_first_process():
        run, rows = read_results(folder)
        console = Console()
        if (table := adaptation_table(rows)) is not None:
            show(table, console)
        for row in rows:
            if row.metric == "accuracy" and row.representation == "feature":
                console.print(f"class by nearest neighbours of features: {row.mean:.3f} (the commonest {row.floor:.2f})", highlight=False)
        console.print(
            f"{run['steps']:,} steps, {run['images']:,} views in {run['seconds'] / 60:.1f} min; run folder: {folder}", highlight=False
        )
    return 0


def adaptation_table(rows: list[ResultRow]) -> Table | None:
    """R² of each factor by the auxiliary head (validation pairs), a row a context; None of a method without that head."""
    scores = [row for row in rows if row.metric == "r2_pooled" and row.head == "auxiliary"]
    if not scores:
        return None
    factors = list(dict.fromkeys(row.factor for row in scores if row.factor))
    floors = {row.factor: row.floor for row in scores}
    table = Table(title="R² by the auxiliary head, on validation pairs", title_justify="left")
    table.add_column("context")
    table.add_column("tokens", justify="right")
    for factor in factors:
        table.add_column(f"{factor} (floor {floors[factor]:.2f})", justify="right")
    cells = {(row.environment, row.length, row.factor): row.mean for row in scores}
    # Without a context all environments are one, but for a model that is told them by name: it has no contexts at all.
    by_name = not any(row.length for row in scores)
    contexts = dict.fromkeys((None, 0) if row.length == 0 and not by_name else (row.environment, row.length) for row in scores)
    first = scores[0].environment if scores else None
    for environment, length in contexts:
        values = [cells.get((environment or first, length, factor)) for factor in factors]
        table.add_row(environment or "none given", str(length), *("" if value is None else f"{value:.3f}" for value in values))
    return table


def run_shapes(settings: RenderSettings) -> int:
    source = shapes_source(settings)
    if source.unread:
        print(f"note: {settings.meshes} holds {source.unread}, which cannot be read here and are left out", file=sys.stderr)
    out = Path(settings.out)
    workers = settings.workers or None
    if settings.layout == "packed":
        pack(source, out, settings.resolution, workers=workers, progress=settings.progress)
    else:
        write_folder(
            source,
            out,
            settings.resolution,
            image_format=settings.image_format,  # type: ignore[arg-type]
            workers=workers,
            progress=settings.progress,
        )
    counts = ", ".join(f"{len(items):,} {split} objects" for split, items in source.splits.items())
    print(f"{out}: {counts} of {len(source.class_names)} classes, {settings.views} views each, {settings.resolution} px")
    dataset = "shapes" if settings.layout == "packed" else "3diebench"
    words = ["contextssl", "train", f"dataset={dataset}", f"data_dir={out}", f"resolution={settings.resolution}"]
    print(f"train on it: {advice.command(words)}")
    return 0


def run_pack(settings: PackSettings) -> int:
    if settings.data_dir is None:
        raise SettingsError("say which folder to pack: contextssl data pack DIR [OUT] resolution=128")
    root = Path(settings.data_dir)
    out = Path(settings.out) if settings.out is not None else packed_folder(root, settings.resolution, settings.resize)
    source = ThreeDIEBenchSource(root, check_ranges=settings.check_ranges, resize=settings.resize)
    pack(source, out, settings.resolution, workers=settings.workers or None, progress=settings.progress)
    words = ["contextssl", "train", f"data_dir={out}", f"resolution={settings.resolution}"]
    print(f"{out}: packed; train on it: {advice.command(words)}")
    return 0


def run_check(settings: CheckSettings) -> int:
    if settings.data_dir is None:
        raise SettingsError("say which folder or store to check: contextssl data check DIR")
    if (table := _checked_table(settings)) is not None:
        table.print()
        return 0 if table.ok else 1
    picture = settings.picture or f"{Path(settings.data_dir).resolve().name.split('.')[0]}-views.png"
    workers = settings.workers or None
    report = check(settings.data_dir, picture, workers=workers, progress=settings.progress, augmentations=_shown_augmentations(settings))
    report.print()
    return 0 if report.ok else 1


def _checked_table(settings: CheckSettings) -> CheckReport | None:
    """The report of a table; None where the path is another kind of data, or tables are not installed."""
    try:
        from contextssl.data.tables.table_check import check_table, is_table
    except ImportError:
        return None
    path = Path(str(settings.data_dir))
    if not is_table(path):
        return None
    return check_table(
        path,
        delimiter=settings.delimiter,
        decimal=settings.decimal,
        encoding=settings.encoding,
        drop=settings.drop_columns,
        categorical=settings.categorical,
        numeric=settings.numeric,
    )


def _shown_augmentations(settings: CheckSettings) -> Augmentations | None:
    """Those of the settings; without kornia the check does without sample views."""
    try:
        from contextssl.data.augmentation_settings import augmentations_of
    except ImportError:
        return None
    return augmentations_of(settings)


def run_evaluate_equivariance(settings: EvaluateSettings) -> int:
    return _evaluate(settings, ("equivariance",))


def run_evaluate_retrieval(settings: EvaluateSettings) -> int:
    return _evaluate(settings, ("retrieval",))


def run_evaluate_probe(settings: EvaluateSettings) -> int:
    return _evaluate(settings, ("probe",))


def run_evaluate_geometry(settings: EvaluateSettings) -> int:
    return _evaluate(settings, ("geometry",))


def run_evaluate_fairness(settings: EvaluateSettings) -> int:
    return _evaluate(settings, ("fairness",))


def run_evaluate_erasure(settings: EvaluateSettings) -> int:
    return _evaluate(settings, ("erasure",))


def run_evaluate_reading(settings: EvaluateSettings) -> int:
    return _evaluate(settings, ("reading",))


def run_evaluate_labels(settings: EvaluateSettings) -> int:
    return _evaluate(settings, ("labels",))


def run_evaluate_all(settings: EvaluateSettings) -> int:
    return _evaluate(settings, PROTOCOLS)


def _evaluate(settings: EvaluateSettings, protocols: tuple[str, ...]) -> int:
    folder = evaluate(settings, protocols)
    run, rows = read_results(folder)
    console = Console()
    splits = {protocol: rows_split(protocol, settings.split, settings.sources) for protocol in protocols}
    made = {protocol: evaluation_name(protocol, split) for protocol, split in splits.items()}
    made = {protocol: name for protocol, name in made.items() if name in run["evaluations"]}
    for protocol, name in made.items():
        if protocol == "fairness":
            show(fairness_summary(rows, settings.split), console)
            for note in run["evaluations"][name]["notes"]:
                console.print(note, highlight=False)
        else:
            show(summary(rows, (protocol,), splits[protocol]), console)
        if protocol == "reading" and (said := verdict([row for row in rows if row.split == settings.split])):
            console.print(said.sentence, highlight=False)
    names = list(made.values())
    seconds = sum(run["evaluations"][name]["seconds"] for name in names)
    console.print(f"{seconds:.0f} s; all numbers: {folder / RESULTS}", highlight=False)
    return 0


def run_compare(words: list[str]) -> int:
    return _compare(words)


def run_reproduce(words: list[str]) -> int:
    """An experiment is a comparison whose words are known: they are shown, then run."""
    asked = settings_from("reproduce", ReproduceSettings, without_launcher(words))
    experiment = experiment_of(asked.what)
    print(experiment.described(words), flush=True)
    return _compare(experiment.words(words))


def _compare(words: list[str]) -> int:
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
    print(f"{len(jobs)} runs in {settings.compare_dir}: {len(jobs) - len(left)} are there, {len(left)} to do", flush=True)

    def run_one(given: CompareSettings) -> int:
        # A launcher that runs it elsewhere takes the jobs along.
        print(f"run {given.job + 1} of {len(jobs)}: {jobs[given.job].name}", flush=True)
        run_job(jobs[given.job], given)
        return 0

    if left:
        sweep("compare", CompareSettings, run_one, [*words, f"job={','.join(map(str, left))}"], settings.compare_dir)
    made = tables(jobs, settings, advice.command(["contextssl", "compare", *words]))
    if made.differences:
        warn(f"these runs were not measured alike: {' · '.join(made.differences)}")
    print(f"tables: {made.markdown} and {made.csv.name}\npage: {made.page}")
    return 0


def run_report(settings: ReportSettings) -> int:
    report = write_report(
        settings.runs,
        settings.out,
        split=settings.split,
        figures=settings.figures,
        gallery=settings.gallery,
        data_dir=settings.data_dir,
        own=OwnCode(settings.factors, settings.data_factory, settings.encoder_factory),
    )
    if report.differences:
        warn(f"these runs were not measured alike: {' · '.join(report.differences)}")
    if report.figures:
        print(f"figures: {report.figures[0].parent}")
    print(f"report: {report.page}")
    return 0
