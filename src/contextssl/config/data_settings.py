"""What data a run reads: rendered shapes, photos with their augmentations, tables."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from contextssl.config.setting import MOST_SEED, setting
from contextssl.data_set import DATA_SETS

# What a store of photos was packed by.
PACKED_PHOTOS = ("val_fraction", "split_seed", "split_file", "channels", "labels", "unreadable", "download")


@dataclass
class ShapesSettings:
    """Shapes to render"""

    classes: int | list[str] | None = setting(
        None, "the first so many classes of those built in (or of meshes=DIR), or their names, [chair,car]; all where left out", least=1
    )
    objects: int | None = setting(None, "training objects of each class; where left out 100, or of meshes=DIR all", least=1)
    val_objects: int = setting(20, "validation objects of each class", least=1)
    views: int = setting(50, "views of each object", least=1)
    supersample: int = setting(1, "rays along each side of a pixel; 2 and more smooth the edges", least=1)
    data_seed: int = setting(0, "seed of the objects and their views; one seed, the same pixels", least=0, most=MOST_SEED)
    meshes: str | None = setting(None, "folder of mesh files to render instead of the built-in classes, one folder a class", path=True)


@dataclass
class AugmentationSettings:
    """Factors, and the augmentations of photos that are factors"""

    factors: list[str] | None = setting(
        None,
        "augmentations, each a factor: crop, blur, color, flip, rotate, grayscale, one of kornia's as kornia:RandomSolarize, or your own as "
        "package.module:Class (where left out [crop,blur]); of rendered objects [rotation,color] or [rotation,floor,light], the two hues by "
        "themselves; of tables the columns that are factors (of adult gender, race, age; of mimic3 gender; where left out [gender])",
    )
    augmentation_settings: dict[str, Any] = setting(
        {}, "arguments of factors that have no settings here, {RandomSolarize:{p:0.3,thresholds:[0.2,0.4]}}"
    )
    crop_area: list[float] = setting([0.2, 1.0], "least and greatest area of a crop, as a share of the image", above=0, most=1)
    crop_ratio: list[float] = setting([0.75, 4 / 3], "least and greatest width of a crop, over its height", above=0)
    blur_sigma: list[float] = setting(
        [0.1, 2.0], "least and greatest deviation of the Gaussian blur; published practice at 32 px", "pixels", least=0
    )
    brightness: float = setting(0.4, "brightness is multiplied by 1 ± so much", least=0)
    contrast: float = setting(0.4, "contrast is multiplied by 1 ± so much", least=0)
    saturation: float = setting(0.4, "saturation is multiplied by 1 ± so much", least=0)
    hue: float = setting(0.1, "hue is turned by ± so much of a whole turn", least=0, most=0.5)
    flip_chance: float = setting(0.5, "chance of a horizontal flip", least=0, most=1)
    rotate_degrees: list[float] = setting([-180.0, 180.0], "least and greatest angle of a rotation in the plane", "degrees")
    grayscale_chance: float = setting(0.2, "chance of losing all colour", least=0, most=1)
    latent_centre: list[float] | None = setting(
        None, "taken off each number of the augmentations' latents, in the order of factors; where left out its mean over 65,536 draws"
    )
    latent_scale: list[float] | None = setting(
        None,
        "each number of the augmentations' latents is divided by it, so that every factor weighs alike; where left out its deviation",
        above=0,
    )


@dataclass
class PhotosSettings(AugmentationSettings):
    """Photos: dataset=cifar10, dataset=images"""

    val_fraction: float = setting(
        0.1, "share of the training images (or rows) that is held out where there is no val split, of each class alike", least=0, below=1
    )
    split_file: str | None = setting(None, "text or CSV file of 'path,split' lines that settles the splits instead", path=True)
    channels: int = setting(3, "3 for colour, 1 for grey", least=1)
    labels: bool | None = setting(None, "images lie in a folder a class; where left out, if they do")
    unreadable: str = setting(
        "refuse", "an image that cannot be read stops the packing, or is left out and counted", choices=("refuse", "skip")
    )
    download: bool = setting(False, "fetch CIFAR-10 where it is missing (170 MB)")
    eval_views: int = setting(50, "fixed augmentations of each image that are evaluated; the first is the image itself", least=1)
    split_seed: int = setting(0, "of the images, or rows, that are held out", least=0, most=MOST_SEED)


@dataclass
class ColumnSettings:
    """How a table is read"""

    delimiter: str | None = setting(None, "of a text file; where left out a comma, of .tsv a tab")
    decimal: str | None = setting(None, "of a text file: what stands before the decimals of a number; where left out a point")
    encoding: str | None = setting(None, "of a text file, such as cp1252; where left out UTF-8, or UTF-16 where its first bytes say so")
    categorical: list[str] = setting([], "columns that are categories, whatever they look like")
    numeric: list[str] = setting([], "columns that are numbers, whatever they look like")
    drop_columns: list[str] = setting([], "columns that are left out, such as identifiers")


@dataclass
class TablesSettings(ColumnSettings):
    """Tables: dataset=adult, dataset=mimic3, dataset=table"""

    path: str | None = setting(None, "of dataset=table: the CSV, TSV (also .gz) or Parquet file", path=True)
    label: str | None = setting(None, "the column that is to be predicted; of adult income, of mimic3 long_stay where left out")
    person: str | None = setting(None, "of dataset=table: the column that says whose row it is; nobody is in two splits")
    proxies: str = setting(
        "drop",
        "columns that say a factor's value outright (adult's relationship: Husband, Wife) are left out, replaced together with the factor "
        "in views, or kept like any other",
        choices=("drop", "together", "keep"),
    )
    proxy_columns: list[str] | dict[str, str] | None = setting(
        None, "which those are: names, or with several factors {column: factor}; of adult relationship where left out"
    )
    corruption: float = setting(
        0.4, "share of a row's columns, its factors apart, that each view redraws from the training rows", least=0, most=1
    )
    swap_chance: float = setting(0.5, "chance that a view has another value of a factor than the row", least=0, most=1)
    exact_chance: float = setting(
        0.0, "share of training pairs in which nothing is redrawn, so that source and target differ in factors alone", least=0, most=1
    )
    row_views: int = setting(10, "fixed views of each row that are evaluated; the first is the row itself", least=1)
    test_fraction: float = setting(
        0.2, "share of the rows held out as test, where the files have no test split of their own", least=0, below=1
    )
    diagnoses: str = setting(
        "earlier",
        "of mimic3: ICD-9 groups of earlier admissions alone, or of this one too, which are coded after discharge",
        choices=("earlier", "admission"),
    )


def _data_sets() -> str:
    return (
        f"what to train on: {', '.join(DATA_SETS.names())}; or data of your own, package.module:function, called without arguments (or with the "
        "settings), that returns a contextssl.Data"
    )


@dataclass
class DataSettings(ShapesSettings, PhotosSettings, TablesSettings):
    """Data"""

    dataset: str = setting("3diebench", _data_sets, names=DATA_SETS)
    data_dir: str | None = setting(
        None,
        "the folder of the data: 3DIEBench as published, CIFAR-10's files, images in folders (or a tar or zip of them), a packed store, "
        "UCI Adult's or MIMIC-III's files; shapes are rendered into ./datasets where left out",
        path=True,
    )
    resolution: int = setting(128, "height and width of the images", "pixels", least=1)
    resize: str = setting(
        "bilinear",
        "of dataset=3diebench: 'bilinear' as the published code resizes images, or 'fast' (JPEG decoded at a smaller size, then bicubic)",
        choices=("bilinear", "fast"),
    )


def names_of(group: type[Any]) -> tuple[str, ...]:
    """The names of a group of settings."""
    return tuple(field.name for field in fields(group))


@dataclass
class RenderSettings(ShapesSettings):
    """Render objects as 3DIEBench does, into a packed store or the published folder layout."""

    out: str = setting("datasets/shapes", "folder to write", path=True)
    resolution: int = setting(64, "height and width of the images", "pixels", least=1)
    layout: str = setting(
        "packed", "'packed' store (trains at once), or the published 'folder' of images and latents", choices=("packed", "folder")
    )
    image_format: str = setting("png", "of layout=folder: png is lossless", choices=("png", "jpg"))
    workers: int = setting(0, "processes; 0 takes every core", least=0)
    progress: bool = setting(True, "show progress")


@dataclass
class PackSettings:
    """Pack a folder in 3DIEBench's published layout into one memory-mapped store."""

    data_dir: str | None = setting(
        None, "the folder that holds meta/, or 3DIEBench/ beside it: SYNSET/OBJECT/image_i.jpg and latent_i.npy", path=True
    )
    out: str | None = setting(None, "folder of the store; DATA_DIR/packed-RESOLUTION where left out", path=True)
    resolution: int = setting(128, "height and width of the images", "pixels", least=1)
    resize: str = setting(
        "bilinear",
        "'bilinear' as the published code resizes images, or 'fast' (JPEG decoded at a smaller size, then bicubic)",
        choices=("bilinear", "fast"),
    )
    check_ranges: bool = setting(True, "refuse latents outside 3DIEBench's published ranges")
    workers: int = setting(0, "processes; 0 takes every core", least=0)
    progress: bool = setting(True, "show progress")


@dataclass
class CheckSettings(AugmentationSettings, ColumnSettings):
    """Look a folder of data, a packed store, images or a table over: counts, damaged files, latents, labels, columns, a picture of sample views."""

    data_dir: str | None = setting(None, "the folder, store, tar or zip of images, or table to check", path=True)
    dataset: str | None = setting(
        None, "what it is read as, or data of your own, package.module:function; where left out what it looks like", names=DATA_SETS
    )
    picture: str | None = setting(None, "PNG to write the sample views to; NAME-views.png where left out", path=True)
    workers: int = setting(0, "processes; 0 takes every core", least=0)
    progress: bool = setting(True, "show progress")
    own: dict[str, Any] = setting({}, "what a plug-in (a data set) declares for itself; give each by its own name")
