"""Views of rows: what is redrawn and from where, and that a factor's value is replaced by another."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from contextssl.data.tables.columns import Columns
from contextssl.data.tables.corruption import Corruption, RowFactor, known, row_factors
from contextssl.errors import DataError, InputError, SettingsError
from tests.people import opened_people, people

COUNT = 300
FACTORS = ("sex", "age", "job")
FEW = 40


def corruption(rate: float = 0.4, swap: float = 0.5, exact: float = 0.0, together: bool = False) -> Corruption:
    """Of the people that the rows are of: each column's values are all in ``marginals``."""
    frame = people(COUNT).drop(columns=["income"])
    columns = Columns.fit(frame)
    rows = torch.from_numpy(columns.encode(frame))
    factors = row_factors(columns, {"sex": "sex"}, rows, {"sex": ["title"]} if together else {})
    return Corruption(columns, factors, rows, rate, swap, exact)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.floats(0, 1), st.integers(0, 1000))
def test_the_share_of_columns_that_is_redrawn(rate: float, seed: int) -> None:
    """Numbers of their own in every column, so that whatever is redrawn shows."""
    columns = Columns.fit(people(COUNT).drop(columns=["income", "title"]))
    rows = torch.arange(2 * COUNT * len(columns), dtype=torch.float32).view(2 * COUNT, -1)
    sex = columns.places("sex")[0]
    rows[:, sex] = 1 + torch.arange(2 * COUNT) % 2
    factor = RowFactor("sex", sex, ("Male", "Female"), None, (sex,))
    drawn = Corruption(columns, (factor,), rows[COUNT:], rate, 0.0).redrawn_columns(rows[:COUNT], generator(seed))
    changed = drawn != rows[:COUNT]
    others = [name for name in columns.names if name != "sex"]
    # Age and whether it is missing go together; both come from one training row.
    assert columns.places("age") == (1, 2) and torch.equal(changed[:, 1], changed[:, 2])
    assert not changed[:, sex].any()
    counts = torch.stack([changed[:, columns.places(name)[0]] for name in others]).sum(0)
    assert (counts == int(rate * len(others))).all()
    assert bool(((drawn[:, 2] - drawn[:, 1]) == 1).all())
    marginals = rows[COUNT:]
    for place in range(len(columns)):
        assert torch.isin(drawn[changed[:, place], place], marginals[:, place]).all()


def test_factors_are_replaced_half_of_the_time_and_told() -> None:
    made = corruption(rate=0.0)
    (factor,) = made.factors
    rows = made.marginals.repeat(20, 1)
    views = made.draw(rows, generator())
    swapped = factor.of(views) != factor.of(rows)
    assert abs(float(swapped.float().mean()) - 0.5) < 0.02
    others = [place for place in range(rows.shape[1]) if place != factor.place]
    assert torch.equal(views[:, others], rows[:, others])
    latents = made.latents(views)
    assert torch.equal(latents.argmax(1), factor.of(views)) and (latents.sum(1) == 1).all()
    assert made.space.names == ("sex",) and made.space["sex"].components == ("Male", "Female") and made.space["sex"].relation == "category"


def test_what_gives_the_factor_away_goes_with_it() -> None:
    made = corruption(rate=1.0, swap=1.0, together=True)
    (factor,) = made.factors
    title = made.columns.places("title")[0]
    views = made.draw(made.marginals, generator())
    # Mr is code 1 of the title as Male is of the sex: the commoner.
    assert torch.equal(views[:, title], views[:, factor.place]) and (views[:, title] != made.marginals[:, title]).all()


def test_exact_pairs_differ_in_factors_alone() -> None:
    made = corruption(rate=0.7, exact=0.3)
    source, target, exact = made.draw_pairs(made.marginals.repeat(10, 1), generator())
    assert abs(float(exact.float().mean()) - 0.3) < 0.03
    others = [place for place in range(source.shape[1]) if place != made.factors[0].place]
    assert torch.equal(source[exact][:, others], target[exact][:, others])
    assert (source[~exact][:, others] != target[~exact][:, others]).any(dim=1).float().mean() > 0.8


def test_a_number_is_cut_into_bands() -> None:
    frame = people(COUNT).drop(columns=["income"])
    columns = Columns.fit(frame)
    rows = torch.from_numpy(columns.encode(frame))
    rows = rows[known(rows, columns, ["age"])]
    (factor,) = row_factors(columns, {"age": "age"}, rows, {})
    assert len(factor.values) == 4 and factor.values[0].startswith("up to ") and factor.values[-1].startswith("over ")
    counts = factor.of(rows).bincount()
    assert counts.min() > 0.2 * len(rows)
    made = Corruption(columns, (factor,), rows, 0.0, 1.0)
    views = made.draw(rows, generator())
    assert (factor.of(views) != factor.of(rows)).all()
    assert torch.isin(views[:, factor.place], rows[:, factor.place]).all()


def test_several_values_are_each_as_likely(tmp_path: Path) -> None:
    rows = torch.tensor([[1.0], [2.0], [3.0]]).repeat_interleave(torch.tensor([80, 15, 5]), dim=0)
    factor = RowFactor("race", 0, ("a", "b", "c"), None, (0,))
    columns = Columns.fit(people(10)[["job"]])
    made = Corruption(columns, (factor,), rows, 0.0, 1.0)
    counts = factor.of(made.draw(torch.ones(6000, 1), generator())).bincount(minlength=3)
    assert counts[0] == 0 and abs(int(counts[1]) - 3000) < 200


def test_missing_factors_are_known() -> None:
    frame = people(COUNT)
    columns = Columns.fit(frame)
    rows = torch.from_numpy(columns.encode(frame))
    expected = torch.from_numpy((frame["age"].notna() & frame["job"].notna()).to_numpy(copy=True))
    assert torch.equal(known(rows, columns, ["age", "job"]), expected)


@pytest.mark.parametrize(
    ("given", "name"), [({"rate": 1.5}, "corruption"), ({"swap": -0.1}, "swap_chance"), ({"exact": 2.0}, "exact_chance")]
)
def test_shares_that_cannot_be(given: dict[str, float], name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is"):
        corruption(**given)  # type: ignore[arg-type]


def test_a_factor_with_one_value() -> None:
    frame = people(20).assign(sex="Male")
    columns = Columns.fit(frame)
    rows = torch.from_numpy(columns.encode(frame))
    with pytest.raises(DataError, match=r"the factor 'sex' has one value \(Male\) in all training rows"):
        row_factors(columns, {"sex": "sex"}, rows, {})


def test_marginals_are_those_of_the_training_rows(tmp_path: Path) -> None:
    """Values that only validation and test rows have never turn up in anybody's views."""
    opened = opened_people(tmp_path / "people.csv", corruption=1.0)
    train = opened.pairs["train"].views
    assert torch.equal(train.corruption.marginals, train.rows)

    def values(rows: Tensor, place: int) -> set[float]:
        return set(rows[:, place].tolist())

    val = opened.pairs["val"].views
    age = opened.columns.places("age")[0]
    items = torch.arange(val.num_items).repeat_interleave(9)
    drawn = val.gather_views(items, torch.arange(1, 10).repeat(val.num_items))
    assert values(drawn, age) <= values(train.rows, age)
    assert val.corruption is train.corruption


@cache
def of_three_factors(swap: float = 0.5, exact: float = 0.3, rate: float = 0.7) -> Corruption:
    """Of people with three factors: two values, two that the title moves with, and four bands of a number."""
    frame = people(300).drop(columns=["income"]).assign(height=lambda people: people["age"] * 2 + 1)
    columns = Columns.fit(frame)
    rows = torch.from_numpy(columns.encode(frame))
    rows = rows[known(rows, columns, FACTORS)]
    return Corruption(columns, row_factors(columns, {name: name for name in FACTORS}, rows, {"sex": ["title"]}), rows, rate, swap, exact)


def masks(made: Corruption, chosen: list[set[str]]) -> Tensor:
    return torch.stack([made.space.mask(made.space.environment(sorted(names))) for names in chosen])


several = st.lists(st.sets(st.sampled_from(FACTORS)), min_size=1, max_size=FEW)


@given(several, st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 1000))
def test_held_values_are_shared_and_all_others_differ(chosen: list[set[str]], swap: float, seed: int) -> None:
    made = of_three_factors(swap)
    rows = made.marginals[: len(chosen)]
    source, target, _ = made.draw_pairs(rows, generator(seed), masks(made, chosen))
    one, other = made.latents(source), made.latents(target)
    action = made.space.relative(one, other)
    for factor in made.factors:
        place, moved = made.space.slice(factor.name), list(factor.moved)
        held = torch.tensor([factor.name in names for names in chosen])
        assert torch.equal((one[:, place] == other[:, place]).all(dim=1), held)
        assert torch.equal((action[:, place] == 0).all(dim=1), held)
        assert torch.equal(source[held][:, moved], target[held][:, moved]), "the very number of a band, and what moves with it"
        if swap != 0.5:
            assert bool(((factor.of(source) != factor.of(rows)) == (swap == 1)).all())


@given(several, st.integers(0, 1000))
def test_values_are_those_of_training_rows_with_all_that_moves(chosen: list[set[str]], seed: int) -> None:
    made = of_three_factors()
    for view in made.draw_pairs(made.marginals[: len(chosen)], generator(seed), masks(made, chosen))[:2]:
        for factor in made.factors:
            moved = list(factor.moved)
            there = {tuple(row) for row in made.marginals[:, moved].tolist()}
            assert {tuple(row) for row in view[:, moved].tolist()} <= there


@given(several, st.integers(0, 1000))
def test_other_columns_are_redrawn_as_ever(chosen: list[set[str]], seed: int) -> None:
    """As in a pair of any two views from the same generator; so is the whole source."""
    made = of_three_factors()
    rows = made.marginals[: len(chosen)]
    source, target, exact = made.draw_pairs(rows, generator(seed), masks(made, chosen))
    theirs, other, as_ever = made.draw_pairs(rows, generator(seed))
    moved = {place for factor in made.factors for place in factor.moved}
    free = [place for place in range(rows.shape[1]) if place not in moved]
    assert free and torch.equal(exact, as_ever) and torch.equal(source, theirs)
    assert torch.equal(target[:, free], other[:, free]) and torch.equal(target[exact][:, free], rows[exact][:, free])


@given(st.integers(1, FEW), st.integers(0, 1000))
def test_without_held_nothing_else_is_drawn(count: int, seed: int) -> None:
    made, drawing, theirs = of_three_factors(), generator(seed), generator(seed)
    rows = made.marginals[:count]
    source, target, exact = made.draw_pairs(rows, drawing)
    # As this was written before factors could be held.
    expected = torch.rand(count, generator=theirs) < made.exact_chance
    twice = rows.repeat(2, 1)
    views = torch.where(expected.repeat(2)[:, None], twice, made.redrawn_columns(twice, theirs))
    for factor in made.factors:
        swapped = torch.rand(2 * count, generator=theirs) < made.swap_chance
        views = made.with_value(views, factor, made.other_value(views, factor, theirs), theirs, swapped)
    assert torch.equal(exact, expected) and torch.equal(torch.cat([source, target]), views)
    assert torch.equal(torch.rand(5, generator=drawing), torch.rand(5, generator=theirs)), "what is drawn next is the same as well"


def test_shared_values_are_swapped_half_of_the_time_and_others_are_each_as_likely() -> None:
    made = of_three_factors()
    sex, age, _ = made.factors
    rows = made.marginals.repeat(20, 1)
    source, target, _ = made.draw_pairs(rows, generator(), made.space.mask("sex").repeat(len(rows), 1))
    assert float((sex.of(target) != sex.of(rows)).float().mean()) == pytest.approx(0.5, abs=0.03)
    for value in range(4):
        counts = age.of(target[age.of(source) == value]).bincount(minlength=4)
        shares = counts / counts.sum()
        assert counts[value] == 0 and shares.tolist() == pytest.approx([0.0 if each == value else 1 / 3 for each in range(4)], abs=0.05)


def lonely() -> Corruption:
    columns = Columns.fit(people(10)[["job"]])
    return Corruption(columns, (RowFactor("race", 0, ("a", "b"), None, (0,)),), torch.ones(5, 1), 0.0, 0.0)


def test_a_factor_with_one_value_in_training() -> None:
    made, nothing = lonely(), torch.zeros(3, 2, dtype=torch.bool)
    with pytest.raises(DataError, match=r"the factor 'race' has one value \(a\) in all training rows.*choose another column"):
        made.draw_pairs(made.marginals[:3], generator(), nothing)


def test_a_mask_that_does_not_fit() -> None:
    made = of_three_factors()
    with pytest.raises(InputError, match="held must have a row for each of 5 pairs"):
        made.draw_pairs(made.marginals[:5], generator(), torch.zeros(5, 2, dtype=torch.bool))
    source, target, _ = made.draw_pairs(made.marginals[:0], generator(), torch.zeros(0, made.space.width, dtype=torch.bool))
    assert len(source) == len(target) == 0
