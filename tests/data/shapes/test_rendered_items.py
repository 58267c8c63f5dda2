"""The source of rendered items: its protocol, its seeds, folders of meshes, and what it refuses."""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import trimesh

from contextssl.data.published_latents import FACTORS, RAW_RANGES, absolute_latents
from contextssl.data.shapes import CLASSES, ShapesSource, shape_mesh
from contextssl.data.shapes.meshes import split_names
from contextssl.data.source import ItemSource
from contextssl.data.views import Views
from contextssl.errors import ContextSSLError, DataError, SettingsError


def small(**settings: object) -> ShapesSource:
    chosen: dict[str, object] = {"classes": 3, "objects_per_class": 2, "val_objects_per_class": 1, "num_views": 4, **settings}
    return ShapesSource(**chosen)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of meshes of several kinds, one nested, and things to pass over."""
    root = tmp_path / "meshes"
    for name, suffixes in {"chair": ("obj", "stl", "ply"), "mug": ("off", "glb", "obj", "stl")}.items():
        (root / name).mkdir(parents=True)
        for number, suffix in enumerate(suffixes):
            mesh = shape_mesh(name, np.random.default_rng(number))
            mesh.apply_scale(7)
            mesh.apply_translation((3, 2, 1))
            mesh.export(root / name / f"{number}.{suffix}")
        (root / name / "readme.txt").write_text("not a mesh")
    nested = root / "chair" / "abc" / "models"
    nested.mkdir(parents=True)
    shape_mesh("chair", np.random.default_rng(9)).export(nested / "model.obj")
    (root / ".cache").mkdir()
    return root


def test_it_is_an_item_source_whose_items_make_views() -> None:
    source: ItemSource = small()
    assert source.factors == FACTORS
    assert source.class_names == ("chair", "table", "lamp")
    assert (source.num_views, source.channels, source.raw_width) == (4, 3, 7)
    assert {split: len(items) for split, items in source.splits.items()} == {"train": 6, "val": 3}
    assert source.splits["train"][3].name == "table/train-00001" and source.splits["train"][3].label == 1
    names = [item.name for items in source.splits.values() for item in items]
    assert len(set(names)) == len(names)

    items = source.splits["val"]
    images, raw = (np.stack(arrays) for arrays in zip(*(source.read("val", i, 16) for i in range(3)), strict=True))
    views = Views(
        images,
        source.latents(raw),
        np.array([item.label for item in items]),
        source.factors,
        source.class_names,
        [item.name for item in items],
        raw,
    )
    assert views.view_shape == (3, 16, 16) and raw.dtype == np.float64
    np.testing.assert_array_equal(views.latents, absolute_latents(raw))


def test_raw_latents_fill_their_ranges() -> None:
    raw = small(num_views=2000).raw_latents("train", 0)
    low, high = np.array(RAW_RANGES).T
    assert (raw >= low).all() and (raw <= high).all()
    np.testing.assert_allclose(raw.mean(axis=0), (low + high) / 2, atol=0.05 * (high - low).max())
    np.testing.assert_allclose(raw.std(axis=0), (high - low) / np.sqrt(12), rtol=0.05)


def test_same_seed_same_pixels_in_any_order_and_any_number_of_objects() -> None:
    first, again = small(), small()
    forwards = [first.read("train", i, 16)[0] for i in range(6)]
    backwards = [again.read("train", i, 16)[0] for i in reversed(range(6))][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    more = small(objects_per_class=5, classes=4, val_objects_per_class=3, num_views=6)
    np.testing.assert_array_equal(more.read("train", 5, 16)[0][:4], forwards[2])
    assert more.splits["train"][5] == first.splits["train"][2]


def test_items_splits_and_seeds_differ() -> None:
    source = small()
    images = [source.read(split, i, 16)[0] for split in ("train", "val") for i in range(3)]
    images += [small(seed=1).read("train", i, 16)[0] for i in range(2)]
    for i, one in enumerate(images):
        for other in images[i + 1 :]:
            assert (one != other).mean() > 0.3
    a, b = source.mesh("train", 0), source.mesh("val", 0)
    assert a.vertices.shape != b.vertices.shape or not np.allclose(a.vertices, b.vertices)


def test_another_process_reads_the_same_pixels() -> None:
    source = small()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        images, raw = pool.submit(source.read, "val", 1, 16).result()
    expected = source.read("val", 1, 16)
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(raw, expected[1])


def test_render_with_latents_of_ones_own() -> None:
    source = small()
    images, raw = source.read("train", 2, 24)
    np.testing.assert_array_equal(source.render("train", 2, raw[1:3], 24), images[1:3])
    raw[:, 3] = 0.77
    assert (source.render("train", 2, raw, 24) != images).mean() > 0.3


def test_supersampling_reaches_the_images() -> None:
    fine, coarse = small(supersample=4).read("train", 0, 16)[0], small().read("train", 0, 16)[0]
    difference = np.abs(fine.astype(int) - coarse)
    assert 0 < difference.mean() < 10


def test_description_settles_every_pixel() -> None:
    base = small()
    assert base.description == small().description == pickle.loads(pickle.dumps(base)).description
    others = [
        small(seed=1),
        small(classes=2),
        small(objects_per_class=3),
        small(val_objects_per_class=2),
        small(num_views=5),
        small(supersample=2),
    ]
    assert all(other.description != base.description for other in others)


def test_defaults_take_every_class() -> None:
    source = ShapesSource()
    assert source.class_names == tuple(CLASSES)
    assert len(source.splits["train"]) == 100 * len(CLASSES) and len(source.splits["val"]) == 20 * len(CLASSES)
    assert source.num_views == 50


@pytest.mark.parametrize("name", ["objects_per_class", "val_objects_per_class", "num_views", "supersample"])
def test_counts_below_one_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is 0: it must be at least 1"):
        small(**{name: 0})


def test_other_settings_out_of_range_are_refused() -> None:
    with pytest.raises(SettingsError, match="seed is -1"):
        small(seed=-1)
    with pytest.raises(SettingsError, match=f"ask for 1 to {len(CLASSES)}"):
        small(classes=len(CLASSES) + 1)
    with pytest.raises(SettingsError, match="did you mean 'val'"):
        small().read("vall", 0, 16)
    with pytest.raises(DataError, match="no item 6 in split 'train'"):
        small().read("train", 6, 16)
    with pytest.raises(DataError, match="no item -1"):
        small().read("train", -1, 16)


@pytest.mark.parametrize("missing", ["trimesh", "embreex"])
def test_a_missing_dependency_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for module in [name for name in sys.modules if name == missing or name.startswith(f"{missing}.")]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ContextSSLError, match=rf"{missing} is not installed: pip install 'contextssl\[shapes\]'"):
        small()


def test_a_folder_of_meshes(folder: Path) -> None:
    source = ShapesSource(meshes=folder, val_objects_per_class=1, num_views=3)
    assert source.class_names == ("chair", "mug")
    assert {split: len(items) for split, items in source.splits.items()} == {"train": 6, "val": 2}
    names = {item.name for items in source.splits.values() for item in items}
    assert names == {"chair/0", "chair/1", "chair/2", "chair/abc/models/model", "mug/0", "mug/1", "mug/2", "mug/3"}
    for split, items in source.splits.items():
        for index, item in enumerate(items):
            assert item.label == source.class_names.index(item.name.split("/")[0])
            low, high = source.mesh(split, index).bounds
            np.testing.assert_allclose(low + high, 0, atol=1e-6)
            assert np.linalg.norm(high - low) == pytest.approx(1)
    images, raw = source.read("train", 0, 24)
    assert images.shape == (3, 24, 24, 3) and raw.shape == (3, 7)
    moved = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(moved.read("train", 0, 24)[0], images)


def test_a_mesh_file_shows_what_was_written_to_it(folder: Path) -> None:
    source = ShapesSource(meshes=folder, val_objects_per_class=1, num_views=3)
    split, index = next((split, i) for split, items in source.splits.items() for i, item in enumerate(items) if item.name == "mug/0")
    drawn = shape_mesh("mug", np.random.default_rng(0))
    np.testing.assert_allclose(source.mesh(split, index).bounds, drawn.bounds, atol=1e-6)
    assert source.mesh(split, index).area == pytest.approx(drawn.area, rel=1e-4)


def test_files_of_one_stem_keep_their_suffix(folder: Path) -> None:
    shape_mesh("mug", np.random.default_rng(0)).export(folder / "mug" / "0.obj")
    source = ShapesSource(meshes=folder, val_objects_per_class=1)
    names = {item.name for items in source.splits.values() for item in items if item.label == 1}
    assert names == {"mug/0.obj", "mug/0.off", "mug/1", "mug/2", "mug/3"}


def test_a_folder_is_split_by_seed_and_growing_keeps_the_earlier_objects(folder: Path) -> None:
    few = ShapesSource(meshes=folder, objects_per_class=1, val_objects_per_class=1, num_views=2)
    many = ShapesSource(meshes=folder, objects_per_class=3, val_objects_per_class=1, num_views=2)
    assert few.splits["val"] == many.splits["val"]
    assert set(few.splits["train"]) <= set(many.splits["train"])
    names = [str(i) for i in range(30)]
    train, val = split_names(names, 0, None, 5)
    assert sorted(train + val, key=int) == names and len(val) == 5
    assert split_names(names, 1, None, 5)[1] != val
    assert len(set(split_names([*names, "new"], 0, None, 5)[1]) - set(val)) <= 1


def test_a_folder_that_changes_changes_the_description(folder: Path) -> None:
    before = ShapesSource(meshes=folder, val_objects_per_class=1).description
    assert before["files"] is not None
    shape_mesh("mug", np.random.default_rng(5)).export(folder / "mug" / "9.ply")
    assert ShapesSource(meshes=folder, val_objects_per_class=1).description != before


def test_folders_that_will_not_do_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder of meshes"):
        ShapesSource(meshes=tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        ShapesSource(meshes=tmp_path / "bare")
    with pytest.raises(DataError, match=r"chair: 4 meshes.*lower val_objects_per_class"):
        ShapesSource(meshes=folder, val_objects_per_class=4)
    with pytest.raises(SettingsError, match="there are 2 in"):
        ShapesSource(meshes=folder, classes=3, val_objects_per_class=1)
    (folder / "void").mkdir()
    with pytest.raises(DataError, match="void: no mesh file in this class folder"):
        ShapesSource(meshes=folder, val_objects_per_class=1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.obj", b""),
        ("words.obj", b"these are no vertices"),
        ("short.stl", b"xx"),
        ("broken.ply", b"ply\nformat"),
        ("broken.off", b"OFF\n1 2"),
        ("broken.glb", b"garbage!"),
        ("points.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"),
        ("flat.obj", b"v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n"),
        ("nan.obj", b"v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n"),
    ],
)
def test_a_mesh_file_that_cannot_be_used_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "thing").mkdir()
    for file in ("a.obj", "b.obj"):
        trimesh.creation.box().export(tmp_path / "thing" / file)
    (tmp_path / "thing" / name).write_bytes(content)
    source = ShapesSource(meshes=tmp_path, val_objects_per_class=1, num_views=1)
    wanted = f"thing/{Path(name).stem}"
    split, index = next((split, i) for split, items in source.splits.items() for i, item in enumerate(items) if item.name == wanted)
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        source.read(split, index, 16)


@pytest.mark.usefixtures("unchecked_types")
def test_classes_by_one_name_or_number_and_what_is_neither() -> None:
    assert small(classes="lamp").class_names == ("lamp",) and small(classes="2").class_names == ("chair", "table")
    assert small(classes=["mug", "car"]).class_names == ("mug", "car") == small(classes=("mug", "car")).class_names
    for wrong in (2.5, True, [1, 2], {"chair": 1}):
        with pytest.raises(SettingsError, match="give how many, a name, or names"):
            small(classes=wrong)
    with pytest.raises(SettingsError, match="unknown class 'chiar': did you mean 'chair'"):
        small(classes="chiar")


def test_what_macos_adds_is_passed_over_and_other_kinds_are_counted(folder: Path) -> None:
    before = ShapesSource(meshes=folder, val_objects_per_class=1)
    assert before.unread is None
    (folder / "__MACOSX/chair").mkdir(parents=True)
    for place in ("__MACOSX/chair/._0.obj", "chair/._0.obj", "chair/.hidden/0.obj"):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_bytes(b"resource fork")
    (folder / "chair/part.STEP").write_text("ISO-10303-21;")
    after = ShapesSource(meshes=folder, val_objects_per_class=1)
    assert after.splits == before.splits and after.unread == "1 file .step"
    (folder / "cad").mkdir()
    (folder / "cad/a.stp").touch()
    with pytest.raises(DataError, match=r"no mesh file in this class folder \(it holds 1 file \.stp\)"):
        ShapesSource(meshes=folder, val_objects_per_class=1)


def test_a_mesh_without_area_is_named(tmp_path: Path) -> None:
    (tmp_path / "thing").mkdir()
    for file in ("a.obj", "b.obj"):
        (tmp_path / "thing" / file).write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    with pytest.raises(DataError, match=r"[ab]\.obj: the mesh has no area: its faces are lines or points"):
        ShapesSource(meshes=tmp_path, val_objects_per_class=1, num_views=1).read("train", 0, 8)
