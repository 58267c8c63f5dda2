"""``contextssl replay``: repeats a step whose loss was not finite."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from contextssl.config.settings import ReplaySettings
from contextssl.errors import SettingsError
from contextssl.named_code import own_encoder
from contextssl.training.replay import Replayed, Size, replay


def run_replay(settings: ReplaySettings) -> int:
    if settings.run is None:
        raise SettingsError("name the run: contextssl replay RUN")
    encoder = None if settings.encoder_factory is None else own_encoder(settings.encoder_factory)
    run = Path(settings.run)
    replayed = replay(run, encoder=encoder, method=settings.method, accelerator=settings.accelerator)
    print("\n".join(report_of(run, replayed)))
    return 0


def report_of(run: Path, replayed: Replayed) -> list[str]:
    """What was found, a line each."""
    step = replayed.step
    where = (
        f"step {step['global_step']:,} (epoch {step['epoch']}, batch {step['step']}) of {run}, on {replayed.device} in {step['precision']}"
    )
    lines = [where, "the batch:", *_table(replayed.inputs)]
    found = replayed.found
    if found is None:
        said = (
            f"everything is finite this time (loss {replayed.loss:.4g}): the machine, the number of threads or processes, or something random "
            "outside torch's generators was different; if a run stops there again on the same machine, test its memory"
        )
        return [*lines, said]
    lines.append(f"first not finite: {found.what}: {found.tensor.bad:,} of {found.tensor.count:,} numbers")
    return [*lines, *(["it was made of:", *_table(found.around)] if found.around else [])]


def _table(sizes: Iterable[Size]) -> list[str]:
    rows = [(size.name, str(size.shape), f"norm {size.norm:.4g}", f"largest {size.largest:.4g}", _bad(size)) for size in sizes]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    return ["  " + "  ".join([*(f"{cell:{width}}" for cell, width in zip(row[:4], widths, strict=True)), row[4]]).rstrip() for row in rows]


def _bad(size: Size) -> str:
    return f"{size.bad:,} not finite" if size.bad else ""
