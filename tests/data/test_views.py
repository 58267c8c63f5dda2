"""Views in memory and memory-mapped."""

from __future__ import annotations

import os
import pickle
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contextssl.data.published_latents import FACTORS
from contextssl.data.views import Views
from contextssl.errors import DataError, InputError
from tests.sources import ToySource, toy_store


def make(items: int = 4, views: int = 3, size: int = 5, channels: int = 3) -> Views:
    generator = np.random.default_rng(0)
    return Views(
        images=generator.integers(0, 256, (items, views, size, size, channels), dtype=np.uint8),
        latents=generator.standard_normal((items, views, 6)).astype(np.float32),
        labels=np.arange(items) % 2,
        factors=FACTORS,
        class_names=("a", "b"),
        item_names=[f"item{i}" for i in range(items)],
    )


def of_items(views: Views, items: slice) -> Views:
    """A window on the same memory."""
    parts = {name: getattr(views, name) for name in ("images", "latents", "labels", "item_names", "raw_latents")}
    return replace(views, **{name: part[items] for name, part in parts.items() if part is not None})


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 4), st.sampled_from([1, 3]), st.integers(0, 20))
def test_gather_against_a_loop(items: int, views: int, channels: int, count: int) -> None:
    data = make(items, views, 4, channels)
    i, v = torch.randint(0, items, (count,)), torch.randint(0, views, (count,))
    images, latents = data.gather_views(i, v), data.gather_latents(i, v)
    assert images.shape == (count, channels, 4, 4) and images.dtype == torch.uint8
    for n in range(count):
        assert np.array_equal(images[n].permute(1, 2, 0).numpy(), data.images[i[n], v[n]])
        assert np.array_equal(latents[n].numpy(), data.latents[i[n], v[n]])


def test_features_in_place_of_images(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    features = generator.standard_normal((4, 3, 7)).astype(np.float16)
    np.save(tmp_path / "features.npy", features)
    views = replace(make(), images=np.load(tmp_path / "features.npy", mmap_mode="r"))
    assert views.holds_features and views.view_shape == (7,) and not make().holds_features
    items, shown = torch.tensor([3, 0, 3]), torch.tensor([2, 1, 0])
    again = pickle.loads(pickle.dumps(views))
    assert len(pickle.dumps(views)) < 2000
    for each in (views, again):
        found = each.gather_views(items, shown)
        assert found.dtype == torch.float32 and torch.equal(found, torch.from_numpy(features[items, shown]).float())
    with pytest.raises(DataError, match="or features float of shape"):
        replace(make(), images=np.zeros((4, 3, 7), np.int64))


def test_gather_is_channels_last() -> None:
    data = make()
    assert data.gather_views(torch.tensor([3, 0]), torch.tensor([2, 1])).is_contiguous(memory_format=torch.channels_last)


def test_gather_from_images_that_are_not_in_order() -> None:
    data = make()
    turned = replace(data, images=data.images[:, ::-1])
    i, v = torch.tensor([3, 0, 1]), torch.tensor([2, 1, 0])
    want = data.gather_views(i, 2 - v)
    assert torch.equal(turned.gather_views(i, v), want)


@pytest.mark.parametrize(("item", "view"), [(4, 0), (-1, 0), (0, 3), (1, -1)])
def test_an_index_out_of_range_is_an_error_and_never_a_neighbour(item: int, view: int) -> None:
    with pytest.raises(InputError, match=r"indices must be 0 to \d, not"):
        make().gather_views(torch.tensor([item]), torch.tensor([view]))


def test_mapped_views_are_read_only_and_pickle_as_a_file_name(tmp_path: Path) -> None:
    store = toy_store(tmp_path / "s", ToySource({"train": 5, "val": 40}, num_views=4), 16)
    val = store["val"]
    with pytest.raises(ValueError, match="read-only"):
        val.images[0, 0, 0, 0, 0] = 1
    i, v = torch.tensor([0, 39]), torch.tensor([3, 0])
    val.gather_views(i, v)
    for data in (val, of_items(val, slice(7, 40)), of_items(of_items(val, slice(7, 40)), slice(1, 33))):
        pickled = pickle.dumps(data)
        again = pickle.loads(pickled)
        assert len(pickled) < data.images.nbytes / 4
        assert np.array_equal(again.images, data.images) and isinstance(again.images, np.memmap)


def test_many_threads_may_gather_at_once(tmp_path: Path) -> None:
    data = toy_store(tmp_path / "s")["train"]
    found: list[torch.Tensor] = []
    threads = [
        threading.Thread(target=lambda: found.append(data.gather_views(torch.arange(6), torch.zeros(6, dtype=torch.long))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(torch.equal(one, found[0]) for one in found)


def test_what_does_not_agree_is_refused() -> None:
    data = make()
    with pytest.raises(DataError, match="images must be uint8"):
        replace(data, images=data.images.astype(np.float32))
    with pytest.raises(DataError, match="channels last"):
        replace(data, images=np.zeros((4, 3, 3, 5, 5), np.uint8))
    with pytest.raises(DataError, match="no item in this split"):
        of_items(data, slice(0, 0))
    with pytest.raises(DataError, match=r"latents have shape .* need \(4, 3, 6\)"):
        replace(data, latents=data.latents[..., :5])
    with pytest.raises(DataError, match="labels have shape"):
        replace(data, labels=data.labels[:3])
    with pytest.raises(DataError, match="3 item names for 4 items"):
        replace(data, item_names=["a", "b", "c"])
    with pytest.raises(DataError, match=r"label out of range: labels go from 0 to 1, but there are 1 classes"):
        replace(data, class_names=("a",))


def test_a_file_that_is_cut_short_while_it_is_in_use_is_told(tmp_path: Path) -> None:
    """Reading beyond its end would end the process without a word."""
    views = toy_store(tmp_path / "s")["val"]
    sent = pickle.dumps(views)
    file = tmp_path / "s/images.npy"
    os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(DataError, match=r"images\.npy has [\d,]+ bytes, not the [\d,]+ that it had: it was cut short or replaced"):
        views.gather_views(torch.tensor([0]), torch.tensor([0]))
    with pytest.raises(DataError, match="cut short"):
        pickle.loads(sent)
