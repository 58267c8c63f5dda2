"""What is done to images, against slow and obvious ways to do it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as TF
from hypothesis import given
from hypothesis import strategies as st
from kornia.enhance import adjust_hue
from scipy import ndimage
from torchvision.transforms import InterpolationMode

from contextssl.data.augmentations import AUGMENTATIONS, Augmentation, Augmentations, Blur, Color, Crop, Flip, Grayscale, Rotate
from contextssl.data.augmentations.augmentation import mean_level, separable
from contextssl.data.augmentations.blur import half_gaussian, mirrored_taps
from contextssl.data.augmentations.color import turn_hue
from contextssl.data.augmentations.crop import interpolation
from contextssl.randomness import seeded_generator

KINDS = list(AUGMENTATIONS.values())
shapes = st.tuples(st.sampled_from([1, 3]), st.integers(1, 40), st.integers(1, 40))


def noise(count: int, channels: int = 3, height: int = 32, width: int = 32, seed: int = 0) -> torch.Tensor:
    """The hardest images: every pixel by itself, and every level somewhere."""
    return torch.randint(0, 256, (count, channels, height, width), generator=seeded_generator(seed, "noise"), dtype=torch.uint8)


def applied(augmentation: Augmentation, images: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
    return Augmentations((augmentation,), *SCALE[type(augmentation)]).apply(images, parameters)


# Constants by hand, so that nothing is measured anew for each example.
SCALE = {kind: ((0.0,) * kind().factor.width, (1.0,) * kind().factor.width) for kind in KINDS}
ALL = Augmentations.named(list(AUGMENTATIONS))


def levels_apart(one: torch.Tensor, other: torch.Tensor) -> int:
    return int((one.int() - other.int()).abs().max())


@given(shapes, st.integers(1, 12), st.integers(0, 2**32), st.booleans())
@pytest.mark.parametrize("augmentations", [*(Augmentations((kind(),)) for kind in KINDS), ALL], ids=[*AUGMENTATIONS, "all"])
def test_a_view_is_the_same_alone_and_in_any_batch(
    augmentations: Augmentations, shape: tuple[int, int, int], count: int, seed: int, channels_last: bool
) -> None:
    images, parameters = noise(count, *shape, seed=seed), augmentations.draw(count, seeded_generator(seed))
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    kept = images.clone()
    views = augmentations.apply(images, parameters)
    assert views.shape == images.shape and views.dtype == torch.uint8 and views.stride() == images.stride()
    assert torch.equal(images, kept)
    assert torch.equal(views, augmentations.apply(images, parameters))
    for i in range(count):
        assert torch.equal(views[i : i + 1], augmentations.apply(images[i : i + 1], parameters[i : i + 1]))
    order = torch.randperm(count, generator=seeded_generator(seed, "order"))[: count // 2 + 1]
    assert torch.equal(views[order], augmentations.apply(images[order].contiguous(), parameters[order]))


@pytest.mark.parametrize("size", [32, 97])
def test_a_view_is_the_same_in_a_batch_of_many_chunks(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images, parameters = noise(300 if size == 32 else 40, 3, size, size), ALL.draw(300 if size == 32 else 40, seeded_generator(1))
    views = ALL.apply(images, parameters)
    for i in range(0, len(images), 7):
        assert torch.equal(views[i : i + 1], ALL.apply(images[i : i + 1], parameters[i : i + 1]))
    monkeypatch.setattr("contextssl.data.augmentations.compose.CHUNK_BYTES", {"cpu": 4 * 3 * size * size, "other": 1})
    assert torch.equal(views[:20], ALL.apply(images[:20], parameters[:20]))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert torch.equal(views[:20], ALL.apply(images[:20], parameters[:20]))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augmentations", [*(Augmentations((kind(),)) for kind in KINDS), ALL], ids=[*AUGMENTATIONS, "all"])
def test_the_identity_changes_nothing(augmentations: Augmentations, channels: int) -> None:
    images = noise(8, channels, 31, 37)
    assert torch.equal(augmentations.apply(images, augmentations.identity.expand(8, -1)), images)
    assert augmentations.words(augmentations.identity) == "as it is"


@pytest.mark.parametrize("kind", [Crop, Blur, Flip, Grayscale])
def test_the_identity_is_exact_in_float_too(kind: type[Augmentation]) -> None:
    images = noise(8).float() / 255
    assert torch.equal(kind().apply(images, torch.tensor(kind.identity).expand(8, -1)), images)


@given(st.integers(2, 40), st.integers(2, 40), st.data())
def test_crop_is_torchvisions(height: int, width: int, data: st.DataObject) -> None:
    h, w = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    top, left = data.draw(st.integers(0, height - h)), data.draw(st.integers(0, width - w))
    image = noise(1, 3, height, width)
    box = torch.tensor([[top / height, left / width, h / height, w / width]])
    theirs = TF.resized_crop(image.float(), top, left, h, w, [height, width], InterpolationMode.BILINEAR, antialias=False)
    assert float((applied(Crop(), image, box).float() - theirs).abs().max()) <= 0.7


def test_crop_by_hand() -> None:
    image = torch.tensor([[0.0, 64, 128, 192]], dtype=torch.float32)[None, None].to(torch.uint8)
    middle = applied(Crop(), image, torch.tensor([[0.0, 0.25, 1.0, 0.5]]))
    assert middle.flatten().tolist() == [64, 80, 112, 128]


@given(st.integers(1, 50), st.floats(0, 1), st.floats(0.01, 1))
def test_rows_of_an_interpolation_add_up_to_one(size: int, place: float, extent: float) -> None:
    weights = interpolation(torch.tensor([place * (1 - extent)]), torch.tensor([extent]), size)
    assert torch.equal(weights.sum(-1), torch.ones(1, size)) and float(weights.min()) >= 0


@given(st.floats(0.05, 2.0), st.integers(7, 40), st.integers(7, 40))
def test_blur_is_torchvisions(sigma: float, height: int, width: int) -> None:
    blur, image = Blur(), noise(1, 3, height, width)
    theirs = TF.gaussian_blur(image.float(), [2 * blur.radius + 1] * 2, [sigma] * 2)
    assert float((applied(blur, image, torch.tensor([[sigma]])).float() - theirs).abs().max()) <= 1.0


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_blur_of_an_image_smaller_than_its_kernel_is_scipys(size: int) -> None:
    image = noise(1, 1, size, size)
    expected = ndimage.gaussian_filter(image[0, 0].numpy().astype(float), 2.0, mode="mirror", radius=6)
    ours = applied(Blur(), image, torch.tensor([[2.0]]))[0, 0].numpy()
    assert np.abs(ours - expected).max() <= 1.0


@given(shapes, st.integers(0, 2**32))
def test_sums_are_exact_so_that_no_order_of_adding_matters(shape: tuple[int, int, int], seed: int) -> None:
    images, (_, height, width) = noise(3, *shape, seed=seed), shape
    boxes, sigma = Crop().draw(3, seeded_generator(seed)), Blur().draw(3, seeded_generator(seed))[:, 0]
    rows = interpolation(boxes[:, 0], boxes[:, 2], height)
    columns = (half_gaussian(sigma, 6) @ mirrored_taps(width, 6, torch.device("cpu"))).view(3, width, width)
    # In whole numbers of NumPy, which have no rounding: 16 to a level, weights in 4096ths, one rounding between the two products.
    r, c = (np.rint(matrix.numpy() * 4096.0).astype(np.int64) for matrix in (rows, columns))
    across = np.rint(np.einsum("njx,nchx->nchj", c, 16 * images.numpy().astype(np.int64)) / 4096).astype(np.int64)
    whole = np.einsum("nih,nchj->ncij", r, across)
    expected = (whole / 4096).astype(np.float32) / np.float32(4080)
    assert np.array_equal(separable(images.float() / 255, rows, columns).numpy(), expected)
    gray = images[:, :1]
    mean = (16 * gray.numpy().astype(np.int64)).sum(axis=(1, 2, 3)).astype(np.float32) / np.float32(4080 * height * width)
    assert np.array_equal(mean_level(gray.float() / 255).flatten().numpy(), mean)


def test_weights_of_a_blur_are_whole_steps_that_add_up_to_one() -> None:
    weights = half_gaussian(torch.linspace(0, 2, 50), 6)
    assert torch.equal(weights * 4096, (weights * 4096).round()) and float(weights.min()) >= 0
    assert torch.equal(2 * weights.sum(1) - weights[:, 0], torch.ones(50))
    assert torch.equal(weights[0], torch.eye(7)[0])
    matrices = (weights @ mirrored_taps(9, 6, torch.device("cpu"))).view(50, 9, 9)
    assert torch.equal(matrices.sum(2), torch.ones(50, 9))


def color(image: torch.Tensor, **changed: float) -> torch.Tensor:
    values = dict(zip(Color.parameters, Color.identity, strict=True)) | changed
    return applied(Color(), image, torch.tensor([list(values.values())]))


@given(st.floats(0, 2), st.floats(-0.5, 0.5), st.integers(0, 1000))
def test_color_is_torchvisions(factor: float, hue: float, seed: int) -> None:
    image = noise(1, seed=seed) if seed % 2 else (noise(1, seed=seed) // 8 + 100)
    for name, adjust in (("brightness", TF.adjust_brightness), ("contrast", TF.adjust_contrast), ("saturation", TF.adjust_saturation)):
        assert levels_apart(color(image, **{name: factor}), adjust(image, factor)) <= 2
    assert levels_apart(color(image, hue=hue), TF.adjust_hue(image, hue)) <= 2


@given(st.integers(0, 1000), st.sampled_from([1, 2, 8, 256]))
def test_hue_is_kornias(seed: int, levels: int) -> None:
    # Few levels make many greys, and channels that are equal.
    images = (noise(8, seed=seed).float() % levels) / max(levels - 1, 1)
    turns = torch.rand(8, generator=seeded_generator(seed)) - 0.5
    torch.testing.assert_close(turn_hue(images, turns), adjust_hue(images, 2 * math.pi * turns), atol=1e-5, rtol=0)


def test_colors_are_changed_in_their_order() -> None:
    image = noise(1) // 2 + 60
    expected = TF.adjust_hue(TF.adjust_saturation(TF.adjust_contrast(TF.adjust_brightness(image / 255, 1.3), 0.7), 1.4), 0.1)
    ours = color(image, brightness=1.3, contrast=0.7, saturation=1.4, hue=0.1)
    assert float((ours - 255 * expected).abs().max()) <= 1


def test_a_grey_image_keeps_to_brightness_and_contrast() -> None:
    image = noise(1, channels=1)
    assert torch.equal(color(image, saturation=0.2, hue=0.3), image)
    assert levels_apart(color(image, brightness=0.5), image // 2) <= 1
    assert levels_apart(color(image, contrast=0.0), torch.full_like(image, round(float(image.float().mean())))) <= 1
    assert torch.equal(applied(Grayscale(), image, torch.ones(1, 1)), image)


def test_grayscale_is_torchvisions() -> None:
    images = noise(6)
    gone = torch.tensor([1.0, 0, 0, 1, 1, 0])
    views = applied(Grayscale(), images, gone[:, None])
    for image, view, grey in zip(images, views, gone, strict=True):
        assert levels_apart(view, TF.rgb_to_grayscale(image, 3) if grey else image) <= 1


def test_flip_against_a_loop() -> None:
    images, flipped = noise(6, 3, 5, 7), torch.tensor([1.0, 0, 0, 1, 1, 0])
    views = applied(Flip(), images, flipped[:, None])
    for image, view, turned in zip(images, views, flipped, strict=True):
        expected = np.stack([[row[::-1] if turned else row for row in channel] for channel in image.numpy()])
        assert np.array_equal(view.numpy(), expected)


@pytest.mark.parametrize("size", [1, 8, 31, 32])
def test_quarter_turns_are_rot90(size: int) -> None:
    images = noise(9, 3, size, size)
    quarters = torch.arange(-4, 5)
    views = applied(Rotate(), images, 90.0 * quarters[:, None])
    for image, view, k in zip(images, views, quarters.tolist(), strict=True):
        assert torch.equal(view, torch.rot90(image, k, (1, 2)))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (21, 32)])
@pytest.mark.parametrize("degrees", [10.0, -33.0, 120.0])
def test_rotate_is_torchvisions_where_nothing_turns_in(height: int, width: int, degrees: float) -> None:
    image = noise(1, 3, height, width)
    theirs = TF.rotate(image.float(), degrees, InterpolationMode.BILINEAR, fill=[-1e6])
    ours = applied(Rotate(), image, torch.tensor([[degrees]])).float()
    inside = theirs >= 0
    assert inside.float().mean() > 0.4
    assert float((ours - theirs)[inside].abs().max()) <= 0.6


def test_what_turns_in_is_mirrored() -> None:
    # A plain image has no edge of another colour after a turn.
    assert int(applied(Rotate(), torch.full((1, 3, 16, 16), 200, dtype=torch.uint8), torch.tensor([[45.0]])).min()) == 200


@given(st.integers(0, 255), st.integers(0, 1000))
def test_plain_images_stay_plain(level: int, seed: int) -> None:
    moved = Augmentations.named(["crop", "flip", "rotate", "blur"])
    images = torch.full((4, 3, 20, 20), level, dtype=torch.uint8)
    assert torch.equal(moved.apply(images, moved.draw(4, seeded_generator(seed))), images)


@pytest.mark.parametrize(
    ("augmentation", "parameters", "words"),
    [
        (Crop(), [0.1, 0.1, 0.5, 0.8], "crop 40 %"),
        (Blur(), [1.42], "blur σ 1.4"),
        (Color(), [1.2, 1.0, 0.8, -0.05], "brightness 1.20, saturation 0.80, hue -18°"),
        (Flip(), [1.0], "flipped"),
        (Rotate(), [-45.2], "rotated -45°"),
        (Grayscale(), [1.0], "grey"),
    ],
)
def test_words(augmentation: Augmentation, parameters: list[float], words: str) -> None:
    assert augmentation.words(torch.tensor(parameters)) == words
    assert augmentation.words(torch.tensor(augmentation.identity)) == ""
