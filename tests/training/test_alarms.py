"""The rules of alarms, on made-up numbers and on those that a healthy run logged."""

from __future__ import annotations

import json
import math

import pytest

from contextssl.training.alarms import FIRST_STEP, KINDS, PATIENCE, SPAN, Alarms, Facts
from contextssl.training.watch import remedies
from tests.training.runs import tiny_settings


def alarms(**facts: object) -> Alarms:
    given = {
        "chance": math.log(255),
        "width": 128,
        "features": 256,
        "steps": 2000,
        "warmup": 100,
        "remedies": dict.fromkeys(KINDS, "do this"),
    }
    return Alarms(Facts(**{**given, **facts}))  # type: ignore[arg-type]


HEALTHY = {
    "train/loss": 7.1,
    "train/contrastive_loss": 0.6,
    "train/positive_similarity": 0.63,
    "train/negative_similarity": 0.0,
    "train/effective_rank": 30.0,
    "train/gradient_norm": 4.0,
}
SICK = {
    "divergence": {"train/loss": 30.0},
    "growing gradient": {"train/gradient_norm": 1e4},
    "worse than chance": {"train/contrastive_loss": 300.0},
    "collapse": {"train/positive_similarity": 0.99, "train/negative_similarity": 0.98},
    "few directions": {"train/effective_rank": 1.1},
    "no gradient": {"train/gradient_norm": 0.0},
}


def logged(watched: Alarms, values: dict[str, float], steps: range) -> list[str]:
    return [alarm.kind for step in steps for alarm in watched.logged(step, values)]


@pytest.mark.parametrize("kind", SICK)
@pytest.mark.parametrize("every", [1, 7, 20, 500])
def test_an_alarm_is_said_once_and_is_over_once(kind: str, every: int) -> None:
    watched = alarms()
    healthy_until = FIRST_STEP + 20 * max(every, 20)
    assert logged(watched, HEALTHY, range(every - 1, healthy_until, every)) == []
    sick = range(healthy_until + every - 1, healthy_until + 60 * max(every, 20), every)
    assert logged(watched, {**HEALTHY, **SICK[kind]}, sick) == [kind]
    assert [alarm.until for alarm in watched.said] == [None]
    begun = watched.said[0].since
    assert begun - sick[0] >= max(SPAN, (PATIENCE - 1) * every), "not at the first sign"
    assert logged(watched, HEALTHY, range(sick[-1] + every, sick[-1] + 60 * max(every, 20), every)) == []
    ((said),) = watched.listed()
    assert said["kind"] == kind and said["says"].endswith("; do this") and said["until"] > sick[-1]


def test_a_spike_and_the_first_steps_are_no_alarm() -> None:
    watched = alarms()
    everything_sick = {**HEALTHY, **{name: value for each in SICK.values() for name, value in each.items()}}
    assert logged(watched, everything_sick, range(0, FIRST_STEP, 5)) == []
    watched = alarms()
    for step in range(19, 4000, 20):
        values = everything_sick if step % 400 == 19 else HEALTHY
        assert watched.logged(step, values) == []


def test_what_a_healthy_run_logged_is_no_alarm() -> None:
    """experiment=shapes_examples, every 20 steps from step 19 on: before it reads its contexts all views are close to each other for a while."""
    steps = range(19, 219, 20)
    curves = {
        "train/loss": [45.4, 26.5, 24.3, 22.7, 21.2, 20.8, 21.8, 19.4, 19.4, 17.7],
        "train/contrastive_loss": [3.69, 3.93, 3.97, 3.95, 3.92, 3.91, 3.88, 3.79, 3.70, 3.52],
        "train/positive_similarity": [0.489, 0.768, 0.846, 0.876, 0.890, 0.890, 0.900, 0.894, 0.881, 0.839],
        "train/negative_similarity": [0.368, 0.732, 0.827, 0.855, 0.862, 0.855, 0.859, 0.835, 0.799, 0.694],
        "train/effective_rank": [50.2, 58.4, 40.9, 33.5, 18.4, 18.3, 16.9, 9.57, 8.98, 8.22],
        "train/gradient_norm": [149.0, 139.0, 105.0, 68.6, 77.1, 74.1, 50.3, 59.5, 66.3, 91.1],
    }
    watched = alarms(chance=math.log(63))
    for index, step in enumerate(steps):
        assert watched.logged(step, {name: values[index] for name, values in curves.items()}) == []
    validation = {"val/effective_rank/feature": 8.6, "val/effective_rank/embedding": 2.8, "val/context_reading/rotation-30": 0.006}
    assert watched.validated(219, validation) == [], "contexts have until half of the training"


def test_contexts_that_are_not_read_are_said_from_half_of_the_training_on() -> None:
    watched, unread = alarms(), {"val/context_reading/rotation-30": 0.03, "val/context_reading/color+size-30": 0.05}
    assert watched.validated(999, unread) == []
    (alarm,) = watched.validated(1000, unread)
    assert alarm.kind == "contexts not read" and "those of color+size change which views are alike by 0.05" in alarm.says
    assert watched.validated(1200, unread) == []
    assert watched.validated(1400, {**unread, "val/context_reading/rotation-30": 0.5}) == []
    assert alarm.until == 1400
    assert [each.kind for each in alarms().validated(300, unread, last=True)] == ["contexts not read"], "a run that ends early"
    assert alarms().validated(1999, {"val/accuracy/class/feature": 0.5}) == [], "a method without contexts"


def test_features_of_one_direction_are_said_at_a_validation() -> None:
    watched = alarms()
    (alarm,) = watched.validated(500, {"val/effective_rank/feature": 1.2, "val/effective_rank/embedding": 9.0})
    assert "the features of validation views vary along 1.20 of 256 directions" in alarm.says
    assert alarms(features=1).validated(500, {"val/effective_rank/feature": 1.0}) == [], "there is but one"


def test_a_resumed_run_has_the_alarms_of_an_undisturbed_one() -> None:
    values = [{**HEALTHY, **(SICK["collapse"] if 400 < step < 900 else {}), "train/loss": 7 + 30 * (step > 1300)} for step in range(2000)]
    whole, part = alarms(), alarms()
    for step in range(19, 2000, 20):
        whole.logged(step, values[step])
        part.logged(step, values[step])
        resumed = alarms()
        resumed.load(json.loads(json.dumps(part.state())))
        part = resumed
    assert [alarm["kind"] for alarm in whole.listed()] == ["collapse", "divergence"]
    assert part.listed() == whole.listed() and part.state() == whole.state()
    fresh = alarms()
    fresh.load(None)
    assert fresh.listed() == []


def test_what_helps_is_not_what_the_run_has() -> None:
    bare = remedies(tiny_settings(init="gpt2", feature_norm="none", env_per="batch", context="examples"))
    assert set(bare) == set(KINDS)
    for wanted in ("negatives=sequence", "env_per=sequence", "pairs_per_item=8", "init=fan_in", "feature_norm=batch", "epochs=+N"):
        assert wanted in bare["contexts not read"], wanted
    assert "gradient_clip=1" in bare["divergence"] and "init=fan_in" in bare["collapse"]
    had = remedies(tiny_settings(context="examples", negatives="sequence", pairs_per_item=4, gradient_clip=1.0, temperature=0.001))
    assert "set " not in had["contexts not read"] and "gradient_clip" not in had["divergence"]
    assert had["worse than chance"].startswith("raise temperature (0.001")
    assert "vicreg_coefficients" in remedies(tiny_settings(method="vicreg"))["few directions"]
