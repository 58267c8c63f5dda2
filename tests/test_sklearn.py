from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from contextssl.errors import InputError
from contextssl.sklearn import ContextEmbedder
from tests.used import as_tensor, loaded, pixels, saved, write_images


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(saved(tmp_path))


@pytest.mark.filterwarnings("ignore:Can't test estimator")
def test_scikit_learns_own_checks(model: str) -> None:
    """Those for any estimator; the others ask for a table of numbers."""
    names = []
    for estimator, check in estimator_checks_generator(ContextEmbedder(model)):
        names.append(getattr(check, "func", check).__name__)
        check(estimator)
    assert {"check_estimator_cloneable", "check_no_attributes_set_in_init", "check_parameters_default_constructible"} & {*names}


def test_pairs_are_the_context(model: str, tmp_path: Path) -> None:
    images, plain = pixels(20), loaded(tmp_path)
    pairs = images[:14].reshape(7, 2, 8, 8, 3)
    context = plain.context(as_tensor(images[:14]).unflatten(0, (7, 2)))
    wanted = F.normalize(plain.embed(as_tensor(images), context), dim=-1)
    fitted = ContextEmbedder(model).fit(pairs)
    assert fitted.n_pairs_ == 7
    np.testing.assert_allclose(fitted.transform(images), wanted, rtol=1e-4, atol=1e-5)
    paths = write_images(tmp_path / "few", images)
    listed = ContextEmbedder(plain).fit([(paths[2 * n], paths[2 * n + 1]) for n in range(7)])
    np.testing.assert_allclose(listed.transform(tmp_path / "few"), wanted, rtol=1e-4, atol=1e-5)
    few = ContextEmbedder(model, pairs=2, normalize=False).fit(pairs)
    np.testing.assert_allclose(few.transform(images), plain.embed(as_tensor(images), context.prefix(4)), rtol=1e-4, atol=1e-5)
    none = ContextEmbedder(model, context="none", normalize=False).fit(images)
    np.testing.assert_allclose(none.transform(images), plain.embed(as_tensor(images)), rtol=1e-4, atol=1e-5)


def test_pairs_are_drawn_within_groups(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.repeat(np.arange(12, dtype=np.uint8)[:, None, None, None], 8 * 8 * 3, axis=1).reshape(12, 8, 8, 3)
    groups = np.arange(12) % 4
    embedder = ContextEmbedder(model, context="groups", pairs=5).fit(images, groups)
    shown: list[tuple[int, int]] = []
    context = type(embedder.model_).context

    def watched(self: object, source: list[np.ndarray], target: list[np.ndarray]) -> object:
        shown.extend((int(one[0, 0, 0]), int(two[0, 0, 0])) for one, two in zip(source, target, strict=True))
        return context(self, source, target=target)  # type: ignore[arg-type]

    monkeypatch.setattr(type(embedder.model_), "context", watched)
    first = ContextEmbedder(model, context="groups", pairs=5).fit(images, groups).transform(images)
    assert len(shown) == 5 and all(one != two and one % 4 == two % 4 for one, two in shown)
    assert len({one % 4 for one, _ in shown}) == 4
    np.testing.assert_array_equal(ContextEmbedder(model, pairs=5).fit(images, environments=groups).transform(images), first)
    other = ContextEmbedder(model, pairs=5, random_state=1).fit(images, environments=groups)
    assert not np.array_equal(other.transform(images), first)


def test_in_a_pipeline_with_a_grid_search(model: str) -> None:
    images, labels = pixels(24), np.arange(24) % 2
    images[labels == 1, :4] = 255
    pipeline = make_pipeline(ContextEmbedder(model, context="groups"), LogisticRegression(max_iter=500))
    search = GridSearchCV(pipeline, {"contextembedder__pairs": [0, 3]}, cv=2, error_score="raise").fit(images, labels)
    assert search.predict(images).shape == (24,) and set(search.cv_results_["param_contextembedder__pairs"]) == {0, 3}


def test_it_is_copied_kept_and_named(model: str) -> None:
    images = pixels(6)
    fitted = ContextEmbedder(model, pairs=3).fit(images.reshape(3, 2, 8, 8, 3))
    assert clone(fitted).get_params() == fitted.get_params()
    np.testing.assert_allclose(pickle.loads(pickle.dumps(fitted)).transform(images), fitted.transform(images), rtol=1e-5, atol=1e-6)
    assert fitted.get_feature_names_out().tolist() == [f"contextembedder{n}" for n in range(8)]
    table = ContextEmbedder(model, context="none").set_output(transform="pandas").fit(images).transform(images)
    assert table.shape == (6, 8)


def test_what_cannot_be(model: str) -> None:
    images = pixels(4)
    for given, message in (
        ({"context": "pair"}, "did you mean 'pairs'"),
        ({"pairs": 99}, "pairs is 99: this model takes 0 to 7"),
        ({"context": "groups"}, "needs the group of each image"),
    ):
        with pytest.raises(InputError, match=message):
            ContextEmbedder(model, **given).fit(images.reshape(2, 2, 8, 8, 3))
    with pytest.raises(InputError, match="no group has two images"):
        ContextEmbedder(model).fit(images, environments=[0, 1, 2, 3])
    with pytest.raises(InputError, match="4 images and 3 groups"):
        ContextEmbedder(model).fit(images, environments=[0, 0, 1])
    with pytest.raises(InputError, match=r"give pairs as \(k, 2"):
        ContextEmbedder(model).fit(torch.zeros(3, 3, 8, 8))
