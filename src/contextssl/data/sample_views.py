"""A picture of sample views with their factor values in words, for ``contextssl data check``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from contextssl.config.data_settings import AugmentationSettings
from contextssl.data.layout import Listing
from contextssl.data.names import shown
from contextssl.data.photo import WHITE, read_photo
from contextssl.data.photos import augmentations_named
from contextssl.data.views import ViewBank, Views
from contextssl.errors import DataError
from contextssl.factors import FactorSpace
from contextssl.system.files import atomic_path

if TYPE_CHECKING:
    from contextssl.data.augmentations import Augmentations

PICTURE_ITEMS = 4
PICTURE_VIEWS = 6
CAPTION_LINES = 4
# Of single images, which sample views are made of.
CHECK_PHOTO = 128


@dataclass(frozen=True)
class Sample:
    """Some views of one item for the picture: images (n, H, W, C) uint8 and a caption of each."""

    name: str
    images: np.ndarray
    captions: Sequence[str]


def write_picture(path: Path, samples: Sequence[Sample], tile: int = 128) -> None:
    """Draws samples as a grid, an item per row, each view above its caption, and writes it as a PNG. Raises DataError where the file cannot be
    written.
    """
    # Matplotlib's own font: Pillow's has no Greek.
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", 10)
    blank = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    captions = [[_wrapped(blank, font, text, tile) for text in sample.captions] for sample in samples]
    lines = max(text.count("\n") + 1 for texts in captions for text in texts)
    gap, title, words = 6, 16, 14 * lines
    width = max(len(sample.images) for sample in samples) * (tile + gap) + gap
    canvas = Image.new("RGB", (width, len(samples) * (title + tile + words + gap) + gap), "white")
    draw = ImageDraw.Draw(canvas)
    for row, (sample, texts) in enumerate(zip(samples, captions, strict=True)):
        top = gap + row * (title + tile + words + gap)
        draw.text((gap, top), shown(sample.name), fill="black", font=font)
        for column, (pixels, text) in enumerate(zip(sample.images, texts, strict=True)):
            left = gap + column * (tile + gap)
            image = Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0]).convert("RGB")
            canvas.paste(image.resize((tile, tile), Image.Resampling.BICUBIC), (left, top + title))
            draw.multiline_text((left, top + title + tile + 1), text, fill="black", font=font, spacing=1)
    with atomic_path(path) as temporary:
        canvas.save(temporary, "PNG")


def _wrapped(draw: ImageDraw.ImageDraw, font: Any, text: str, width: int) -> str:
    """The words of ``text`` in lines of at most ``width`` pixels, :data:`CAPTION_LINES` at most."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and draw.textlength(longer, font=font) > width:
            if len(lines) == CAPTION_LINES:
                lines[-1] += "…"
                break
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def example_photos(listing: Listing) -> Views | None:
    """A few readable images, spread evenly over the names."""
    found: dict[str, np.ndarray] = {}
    for place in np.unique(np.linspace(0, len(listing.names) - 1, 4 * PICTURE_ITEMS).astype(int)):
        name = listing.names[place]
        with suppress(DataError):
            found[name] = read_photo(listing.read(name), listing.where(name), CHECK_PHOTO, 3, WHITE).pixels
    if not found:
        return None
    images, count = np.stack(list(found.values()))[:, None], len(found)
    return Views(images, np.zeros((count, 1, 0), np.float32), np.zeros(count, np.int64), FactorSpace(()), ("image",), list(found))


def shown_augmentations(settings: AugmentationSettings) -> Augmentations | None:
    """Those of the settings; None where what they need is not installed, and sample views are done without."""
    with suppress(DataError):
        return augmentations_named(settings)
    return None


def augmented_samples(photos: Views, augmentations: Augmentations) -> list[Sample]:
    """Some images, each as it is and augmented."""
    from contextssl.data.augmented import AugmentedViews

    channels, height, width = photos.view_shape
    views = AugmentedViews(photos, augmentations.for_images((channels, height, width)), PICTURE_VIEWS)
    return samples_of(views, photos.item_names)


def samples_of(views: ViewBank, names: Sequence[str] | None = None) -> list[Sample]:
    """The first views of some items, spread evenly, under these names of the items (default: their own, or number, and class)."""
    if names is None:
        own = getattr(views, "item_names", None) or [f"item {item}" for item in range(views.num_items)]
        names = [f"{name} ({views.class_names[label]})" for name, label in zip(own, views.labels, strict=True)]
    samples = []
    for item in np.unique(np.linspace(0, views.num_items - 1, PICTURE_ITEMS).astype(int)).tolist():
        shown = torch.arange(min(PICTURE_VIEWS, views.num_views))
        images = views.gather_views(torch.full_like(shown, item), shown).permute(0, 2, 3, 1).numpy()
        samples.append(Sample(names[item], images, [views.caption(item, view) for view in shown.tolist()]))
    return samples
