"""``contextssl bench …``: what each part of the work takes on this machine."""

from __future__ import annotations

from pathlib import Path

from contextssl.bench.measured import Measured, tell
from contextssl.config.bench_settings import (
    BenchContextSettings,
    BenchDataSettings,
    BenchEvaluateSettings,
    BenchGpuSettings,
    BenchSettings,
    RulerSettings,
)


def run_train(settings: BenchSettings) -> int:
    from contextssl.bench.train_bench import bench_train

    return _told(bench_train(settings), settings)


def run_data(settings: BenchDataSettings) -> int:
    from contextssl.bench.data_bench import bench_data

    return _told(bench_data(settings), settings)


def run_evaluate(settings: BenchEvaluateSettings) -> int:
    from contextssl.bench.evaluate_bench import bench_evaluate

    return _told(bench_evaluate(settings), settings)


def run_context(settings: BenchContextSettings) -> int:
    from contextssl.bench.context_bench import bench_context

    return _told(bench_context(settings), settings)


def run_gpu(settings: BenchGpuSettings) -> int:
    from contextssl.bench.gpu_bench import bench_gpu, write_report

    found = bench_gpu(settings)
    print(f"report: {write_report(found, Path(settings.out))}")
    return int(any(measured.title.endswith("failed") for measured in found))


def _told(measured: Measured, settings: RulerSettings) -> int:
    tell(measured, None if settings.out is None else Path(settings.out))
    return 0
