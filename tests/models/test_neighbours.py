from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from contextssl.errors import InputError
from contextssl.models import neighbours
from contextssl.models.neighbours import nearest
from tests.used import as_tensor, loaded, pixels, write_images


@given(queries=st.integers(1, 6), images=st.integers(1, 9), k=st.integers(1, 12), seed=st.integers(0, 99))
def test_nearest_is_what_a_loop_finds(queries: int, images: int, k: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    asked, there = torch.randn(queries, 4, generator=generator), torch.randn(images, 4, generator=generator)
    rows, cosines = nearest(asked, there, k)
    assert rows.shape == cosines.shape == (queries, min(k, images))
    for query in range(queries):
        similar = [float(F.cosine_similarity(asked[query], other, dim=0)) for other in there]
        assert rows[query].tolist() == sorted(range(images), key=lambda row: -similar[row])[:k]
        torch.testing.assert_close(cosines[query], torch.tensor(sorted(similar, reverse=True)[:k]))


@given(
    queries=st.integers(0, 7),
    images=st.integers(2, 20),
    k=st.integers(1, 5),
    seed=st.integers(0, 99),
    same=st.booleans(),
    ties=st.booleans(),
)
def test_images_a_part_at_a_time_are_as_all_at_once(queries: int, images: int, k: int, seed: int, same: bool, ties: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    there = torch.randn(images, 4, generator=generator)
    if ties:
        there = there[torch.randint(2, (images,), generator=generator)]
    asked = there if same else torch.randn(queries, 4, generator=generator)
    rows, cosines = nearest(asked, there, k, same=same)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(neighbours, "SIMILARITIES", 8)
        patched.setattr(neighbours, "QUERIES", 3)
        patched.setattr(neighbours, "NUMBERS", 9)
        again, parts = nearest(asked, there, k, same=same)
    assert again.tolist() == rows.tolist() and rows.shape == (len(asked), min(k, images - same))
    torch.testing.assert_close(parts, cosines)


def test_nothing_is_its_own_neighbour() -> None:
    there = torch.randn(7, 4)
    rows, _ = nearest(there, there, 10, same=True)
    assert rows.shape == (7, 6) and all(row not in found for row, found in enumerate(rows.tolist()))


def test_too_few() -> None:
    with pytest.raises(InputError, match="k is 0"):
        nearest(torch.randn(2, 3), torch.randn(2, 3), 0)
    with pytest.raises(InputError, match="of 0 images"):
        nearest(torch.randn(1, 3), torch.randn(1, 3), 1, same=True)


def test_of_images_with_their_names(tmp_path: Path) -> None:
    model, images = loaded(tmp_path), pixels(9)
    write_images(tmp_path / "few", images)
    context = model.context(as_tensor(pixels(6, seed=1)).unflatten(0, (3, 2)))
    found = model.neighbours(images[:2], tmp_path / "few", context, k=4)
    # A copy of a query is nearest to it.
    assert [names[0] for names in found.names] == ["image000.png", "image001.png"] and found.queries == ("0", "1")
    z = F.normalize(model.embed(as_tensor(images), context), dim=-1)
    torch.testing.assert_close(found.similarities, (z[:2] @ z.T).topk(4).values)
    alone = model.neighbours(None, tmp_path / "few", k=2)
    assert alone.queries == alone.images and all(name not in names for name, names in zip(alone.queries, alone.names, strict=True))


def test_images_that_tie_within_rounding_stand_in_their_order() -> None:
    """Copies of one image have embeddings that differ by what a kernel rounds: which is nearest must not depend on it."""
    generator = torch.Generator().manual_seed(0)
    one, far = torch.randn(1, 8, generator=generator), torch.randn(3, 8, generator=generator)
    rounded = one.expand(6, -1) * (1 + 3e-7 * torch.randn(6, 8, generator=generator))
    there = torch.cat([far[:1], rounded[:4], far[1:], rounded[4:]])
    copies = [1, 2, 3, 4, 7, 8]
    for k in range(1, 10):
        rows, cosines = nearest(one, there, k)
        assert rows[0, :6].tolist() == copies[:k]
        assert len(set(rows[0].tolist())) == min(k, 9) and bool((cosines[0].diff() <= 1e-5).all())
    alone, _ = nearest(there, there, 4, same=True)
    assert alone[1].tolist() == [2, 3, 4, 7] and alone[8].tolist() == [1, 2, 3, 4]
    same, _ = nearest(torch.ones(2, 8), torch.ones(5, 8), 3)
    assert same.tolist() == [[0, 1, 2], [0, 1, 2]], "a model for which all images are equal"
