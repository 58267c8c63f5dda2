from __future__ import annotations

import pytest
import torch

from contextssl.data.environment_mix import EnvironmentMix
from contextssl.errors import SettingsError
from contextssl.factors import COLOR, ROTATION, Factor, FactorSpace

SPACE = FactorSpace((ROTATION, COLOR))


def test_environments_come_up_at_their_probabilities() -> None:
    mix = EnvironmentMix.parse({"rotation": 0.2, "both": 0.5, "none": 0.3}, SPACE, "sequence")
    drawn = mix.draw(20_000, torch.Generator().manual_seed(0)).bincount(minlength=3) / 20_000
    shares = dict(zip([environment.name for environment in mix.environments], drawn.tolist(), strict=True))
    assert shares == pytest.approx({"rotation": 0.2, "rotation+color": 0.5, "none": 0.3}, abs=0.02)


def test_an_environment_of_probability_zero_is_never_drawn() -> None:
    mix = EnvironmentMix.parse([1.0, 0.0, 0.0], SPACE)
    assert [environment.name for environment in mix.environments] == ["rotation"]
    assert mix.draw(10, torch.Generator().manual_seed(0)).tolist() == [0] * 10


def test_what_is_active_where_nothing_is_said() -> None:
    """The paper's for two factors; where a factor stands alone, or is a category, an environment without factors is added. Of three and more factors
    an example may keep all but one.
    """

    def ratios(*factors: Factor, all_but_one: bool = False) -> dict[str, float]:
        mix = EnvironmentMix.parse(None, FactorSpace(factors), all_but_one=all_but_one)
        return dict(zip([environment.name for environment in mix.environments], mix.probabilities, strict=True))

    assert ratios(ROTATION, COLOR) == {"rotation": 0.5, "color": 0.5}
    assert ratios(COLOR) == {"color": 0.5, "none": 0.5}
    assert ratios(Factor("sex", 2, "category"), Factor("race", 5, "category")) == pytest.approx(
        {"sex": 1 / 3, "race": 1 / 3, "none": 1 / 3}
    )
    third = dict.fromkeys(("rotation", "color", "blur"), pytest.approx(1 / 3))
    assert ratios(ROTATION, COLOR, Factor("blur", 1)) == third
    but_one = dict.fromkeys(("color+blur", "rotation+blur", "rotation+color"), pytest.approx(1 / 3))
    assert ratios(ROTATION, COLOR, Factor("blur", 1), all_but_one=True) == but_one
    assert ratios(ROTATION, COLOR, all_but_one=True) == {"rotation": 0.5, "color": 0.5}
    people = (Factor("sex", 2, "category"), Factor("race", 5, "category"), Factor("age", 3, "category"))
    assert set(ratios(*people, all_but_one=True)) == {"sex", "race", "age", "none"}


@pytest.mark.parametrize(
    ("ratio", "message"),
    [
        ([0.5, 0.4, 0.0], "sum to 1"),
        ([1.5, -0.5, 0.0], "from 0 to 1"),
        ([0.5, 0.5], "with 2 factor\\(s\\) and 2 number\\(s\\) give a mapping"),
        ({"rotatoin": 1.0}, "did you mean 'rotation'"),
    ],
)
def test_ratios_that_cannot_be(ratio: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        EnvironmentMix.parse(ratio, SPACE)  # type: ignore[arg-type]


def test_data_without_factors_have_nothing_to_make_active() -> None:
    with pytest.raises(SettingsError, match="no factors, so none can be active"):
        EnvironmentMix.parse(None, FactorSpace(()))


def test_a_list_needs_two_factors() -> None:
    with pytest.raises(SettingsError, match="with 1 factor"):
        EnvironmentMix.parse([0.5, 0.5, 0.0], FactorSpace((Factor("blur", 1),)))
