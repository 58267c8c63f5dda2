"""Several ways of doing the same, timed turn and turn about: on a machine that others use too, only their ratio means something."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Times:
    """Seconds of each way in each round."""

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, slow: str, fast: str) -> float:
        """How many times as long the first takes as the second: the median over rounds, in which one followed the other."""
        return statistics.median(a / b for a, b in zip(self.seconds[slow], self.seconds[fast], strict=True))

    def spread(self, name: str) -> tuple[float, float]:
        """The fastest and the slowest round."""
        return min(self.seconds[name]), max(self.seconds[name])


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int, device: torch.device, warm: int = 1) -> Times:
    """Runs every way once a round, A B A B, after ``warm`` rounds that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(warm + rounds):
        for name, way in ways.items():
            taken = seconds_of(way, device)
            if turn >= warm:
                seconds[name].append(taken)
    return Times(seconds)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """How long some work takes, until the device has done it."""
    wait_for(device)
    began = time.perf_counter()
    work()
    wait_for(device)
    return time.perf_counter() - began


def wait_for(device: torch.device) -> None:
    """Until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
