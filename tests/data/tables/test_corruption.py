"""Views of rows: what is redrawn and from where, and that a factor's value is replaced by another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from contextssl.data.tables.columns import Columns
from contextssl.data.tables.corruption import Corruption, RowFactor, known, row_factors
from contextssl.errors import DataError, SettingsError
from tests.people import opened_people, people

COUNT = 300


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
