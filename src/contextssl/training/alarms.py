"""Alarms of a training: what its numbers say is wrong, what it usually means, and which setting helps. Rules over numbers that are logged."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# Before this step nothing is said: losses and similarities of a beginning mean little, and a run of fewer steps is a trial of the command.
FIRST_STEP = 100
# A condition is an alarm where it holds at so many logged steps in a row that span so many steps, and is over by the same rule.
PATIENCE, SPAN = 5, 80
# Far from what the healthy runs of docs/training.md showed: their loss rose to 1.11 times its lowest level at most, ...
RISEN = {"train/loss": 3.0, "train/gradient_norm": 100.0}
ABOVE_CHANCE = 2.0
# ... cosines of positives and negatives were 0.91 and 0.90 at once at most, after 180 steps, ...
POSITIVE, NEGATIVE = 0.97, 0.95
# ... the least effective rank was 2.8, ...
DIRECTIONS = 1.5
VANISHED = 1e-8
# ... and contexts, before they were read, changed 0.01 of the similarities, later 0.35 and more.
READING = 0.1
# Which part of a training may go by before contexts are read.
SHARE_BEFORE_READING = 0.5


@dataclass(frozen=True)
class Facts:
    """What the rules need to know of a run.

    Args:
        chance: the contrastive loss of guessing; None where the method has no such loss.
        width, features: D of the embeddings, F of the features.
        steps, warmup: of the whole training, and of its warm-up.
        remedies: by kind of alarm, which settings help.
    """

    chance: float | None
    width: int
    features: int
    steps: int
    warmup: int
    remedies: Mapping[str, str]


@dataclass
class Alarm:
    """One alarm. ``until`` is the step at which it was over; None while it lasts."""

    kind: str
    since: int
    says: str
    until: int | None = None


@dataclass
class Level:
    """The running level of a number: the mean of the last steps, (step, value) each, and the lowest that this has been."""

    recent: list[tuple[int, float]] = field(default_factory=list)
    lowest: float | None = None

    def of(self, step: int, value: float) -> float | None:
        """With one more value; None while there are too few."""
        # As many as cover the span, and at least as many as the patience: so batches of different environments even out.
        self.recent.append((step, value))
        within = sum(each > step - SPAN for each, _ in self.recent)
        self.recent = self.recent[-max(within + 1, PATIENCE) :]
        if len(self.recent) < PATIENCE or step - self.recent[0][0] < SPAN:
            return None
        level = statistics.fmean(value for _, value in self.recent)
        self.lowest = level if self.lowest is None else min(level, self.lowest)
        return level


@dataclass
class Pending:
    """For how many judgements, since which step, a condition has been other than what was last said of it."""

    count: int
    since: int


@dataclass
class Alarms:
    """The alarms of a run, a function of the numbers that it logs alone, so that a resumed run has the same."""

    facts: Facts
    said: list[Alarm] = field(default_factory=list)
    levels: dict[str, Level] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)

    def logged(self, step: int, values: Mapping[str, float]) -> list[Alarm]:
        """The alarms that begin with the numbers of a logged step."""
        risen = {kind: self._risen(step, name, values.get(name)) for kind, name in LEVELS.items()}
        return self._changed(step, {**risen, **{kind: rule(self.facts, step, values) for kind, rule in LOGGED.items()}}, PATIENCE, SPAN)

    def validated(self, step: int, values: Mapping[str, float], last: bool = False) -> list[Alarm]:
        """Those that begin with the numbers of a validation; ``last``: nothing is trained after it."""
        late = last or step >= SHARE_BEFORE_READING * self.facts.steps
        return self._changed(step, {kind: rule(self.facts, values, late) for kind, rule in VALIDATED.items()}, 1, 0)

    def _risen(self, step: int, name: str, value: float | None) -> str | None:
        if value is None:
            return None
        kept = self.levels.setdefault(name, Level())
        level = kept.of(step, value)
        if level is None or kept.lowest is None or not 0 < RISEN[name] * kept.lowest < level:
            return None
        what = {"train/loss": "the loss", "train/gradient_norm": "the gradient's norm"}[name]
        return f"{what} has risen to {level:.4g}, from {kept.lowest:.4g} at its lowest: the training diverges, as where its steps are too large"

    def _changed(self, step: int, found: Mapping[str, str | None], patience: int, span: int) -> list[Alarm]:
        begun = []
        for kind, seen in found.items():
            lasting = next((alarm for alarm in self.said if alarm.kind == kind and alarm.until is None), None)
            if step < FIRST_STEP or (seen is not None) == (lasting is not None):
                self.pending.pop(kind, None)
                continue
            pending = self.pending.setdefault(kind, Pending(0, step))
            pending.count += 1
            if pending.count < patience or step - pending.since < span:
                continue
            del self.pending[kind]
            if lasting is not None:
                lasting.until = step
            else:
                begun.append(Alarm(kind, step, f"{seen}; {self.facts.remedies[kind]}"))
        self.said += begun
        return begun

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {name: value for name, value in asdict(self).items() if name != "facts"}

    def load(self, state: Mapping[str, Any] | None) -> None:
        """What :meth:`state` gave; None, of a checkpoint that has none, starts anew."""
        state = state or {}
        self.said = [Alarm(**alarm) for alarm in state.get("said", ())]
        self.levels = {
            name: Level([(int(step), float(value)) for step, value in level["recent"]], level["lowest"])
            for name, level in state.get("levels", {}).items()
        }
        self.pending = {kind: Pending(**pending) for kind, pending in state.get("pending", {}).items()}

    def listed(self) -> list[dict[str, Any]]:
        """For the run's results: every alarm, with the steps since and until which it held."""
        return [asdict(alarm) for alarm in self.said]


# Each rule says what it sees, or None.
Logged = Callable[[Facts, int, Mapping[str, float]], str | None]
Validated = Callable[[Facts, Mapping[str, float], bool], str | None]


def worse_than_chance(facts: Facts, step: int, values: Mapping[str, float]) -> str | None:
    loss = values.get("train/contrastive_loss")
    if facts.chance is None or loss is None or step < facts.warmup or loss <= ABOVE_CHANCE * facts.chance:
        return None
    return (
        f"the contrastive loss is {loss:.4g}, where guessing has {facts.chance:.3g}: wrong pairs are chosen with certainty, as where the "
        "temperature is too low for the model or its steps are too large"
    )


def collapse(facts: Facts, step: int, values: Mapping[str, float]) -> str | None:
    positive, negative = (values.get(f"train/{which}_similarity") for which in ("positive", "negative"))
    if positive is None or negative is None or positive < POSITIVE or negative < NEGATIVE:
        return None
    return (
        f"the embeddings of different pairs have a cosine of {negative:.3f}, those of one pair {positive:.3f}: all views are mapped to nearly "
        "one point (total collapse), as where the first steps are too large or the features are not normalised"
    )


def few_directions(facts: Facts, step: int, values: Mapping[str, float]) -> str | None:
    return _few({"embeddings": (values.get("train/effective_rank"), facts.width)})


def few_validated_directions(facts: Facts, values: Mapping[str, float], late: bool) -> str | None:
    widths = {"feature": facts.features, "embedding": facts.width}
    return _few({f"{name}s of validation views": (values.get(f"val/effective_rank/{name}"), width) for name, width in widths.items()})


def _few(ranks: Mapping[str, tuple[float | None, int]]) -> str | None:
    for what, (rank, width) in ranks.items():
        if rank is not None and rank < DIRECTIONS < width:
            return (
                f"the {what} vary along {rank:.2f} of {width} directions (effective rank): dimensions collapse, so that views differ in one "
                "respect at most"
            )
    return None


def vanished(facts: Facts, step: int, values: Mapping[str, float]) -> str | None:
    norm = values.get("train/gradient_norm")
    if norm is None or norm > VANISHED:
        return None
    return (
        f"the gradient's norm is {norm:.2g}: nothing is learned, as where the encoder gives the same for all views or a loss has no slope"
    )


def not_read(facts: Facts, values: Mapping[str, float], late: bool) -> str | None:
    start = "val/context_reading/"
    found = {name.removeprefix(start).rpartition("-")[0]: value for name, value in values.items() if name.startswith(start)}
    if not found or not late or max(found.values()) >= READING:
        return None
    most = max(found, key=lambda name: found[name])
    return (
        f"contexts are not read yet: those of {most} change which views are alike by {max(found[most], 0.0):.2f} (0: no more than other pairs "
        "would, 1: completely), so the model does the same in every context"
    )


# Judged at logged steps: numbers against their own running level, and others; and at validations.
LEVELS = {"divergence": "train/loss", "growing gradient": "train/gradient_norm"}
LOGGED: Mapping[str, Logged] = {
    "worse than chance": worse_than_chance,
    "collapse": collapse,
    "few directions": few_directions,
    "no gradient": vanished,
}
VALIDATED: Mapping[str, Validated] = {"few directions in validation": few_validated_directions, "contexts not read": not_read}
KINDS: Sequence[str] = (*LEVELS, *LOGGED, *VALIDATED)
