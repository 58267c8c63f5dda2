"""The settings of data: rendered shapes, photos with their augmentations, tables."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from contextssl.config.setting import MOST_SEED, setting
from contextssl.data_set import DATA_SETS

# The settings that determine a packed store of photos.
PACKED_PHOTOS = ("val_fraction", "split_seed", "split_file", "channels", "labels", "unreadable", "download")


@dataclass
class ShapesSettings:
    """Shapes to render"""

    classes: int | list[str] | None = setting(
        None, "the first so many of the built-in classes (or of those in meshes=DIR), or their names, [chair,car]; default: all", least=1
    )
    objects: int | None = setting(None, "training objects per class; default: 100, with meshes=DIR all", least=1)
    val_objects: int = setting(20, "validation objects per class", least=1)
    views: int = setting(50, "views per object", least=1)
    supersample: int = setting(1, "rays along each side of a pixel; 2 or more smooth the edges", least=1)
    data_seed: int = setting(0, "seed of the objects and their views; the same seed gives the same pixels", least=0, most=MOST_SEED)
    meshes: str | None = setting(None, "folder of mesh files to render instead of the built-in classes, one subfolder per class", path=True)
    translation: bool = setting(
        False, "objects are moved too, along their own axes by up to half their size, as in 3DIEBench-T: a third factor, translation"
    )
    grid: dict[str, int] | None = setting(
        None,
        "instead of views: so many values of each named factor, and one view of every combination; {rotation:7,color:7} is 49 views "
        "(rotation; color, or floor and light; translation, scale, azimuth of the light)",
        least=2,
    )
    grid_views: int | None = setting(
        None,
        "of a grid of two factors so many combinations, each value in equally many, two at least; {rotation:25,color:25} with grid_views=50 "
        "is 25 poses, each in two of 25 colours; default: every combination",
        least=4,
    )


@dataclass
class AugmentationSettings:
    """Factors and augmentations"""

    factors: list[str] | None = setting(
        None,
        "for photos: augmentations, each of them a factor: crop, blur, color, flip, rotate, grayscale, any of kornia's as "
        "kornia:RandomSolarize, or your own as package.module:Class (default: [crop,blur]); for rendered objects: "
        "[rotation,color] (the default), or [rotation,floor,light], in which the two hues are separate; for tables: the "
        "columns that are factors (adult: gender, race, age; mimic3: gender; default: [gender])",
    )
    augmentation_settings: dict[str, Any] = setting(
        {}, "arguments of augmentations that have no settings here, {RandomSolarize:{p:0.3,thresholds:[0.2,0.4]}}"
    )
    crop_area: list[float] = setting([0.2, 1.0], "smallest and largest area of a crop, as a share of the image", above=0, most=1)
    crop_ratio: list[float] = setting([0.75, 4 / 3], "smallest and largest aspect ratio of a crop, width over height", above=0)
    blur_sigma: list[float] = setting(
        [0.1, 2.0], "smallest and largest standard deviation of the Gaussian blur; the default is common at 32 px", "pixels", least=0
    )
    brightness: float = setting(0.4, "brightness is multiplied by 1 ± up to this", least=0)
    contrast: float = setting(0.4, "contrast is multiplied by 1 ± up to this", least=0)
    saturation: float = setting(0.4, "saturation is multiplied by 1 ± up to this", least=0)
    hue: float = setting(0.1, "hue is shifted by up to ± this share of a full turn", least=0, most=0.5)
    flip_chance: float = setting(0.5, "probability of a horizontal flip", least=0, most=1)
    rotate_degrees: list[float] = setting([-180.0, 180.0], "smallest and largest angle of a rotation in the image plane", "degrees")
    grayscale_chance: float = setting(0.2, "probability of conversion to grayscale", least=0, most=1)
    latent_centre: list[float] | None = setting(
        None, "subtracted from the numbers of the augmentations' latents, in the order of factors; default: their means over 65,536 draws"
    )
    latent_scale: list[float] | None = setting(
        None,
        "divides the numbers of the augmentations' latents, so that every factor has the same weight; default: their standard deviations",
        above=0,
    )


@dataclass
class PhotosSettings(AugmentationSettings):
    """Photos (dataset=cifar10, dataset=images)"""

    val_fraction: float = setting(
        0.1,
        "share of the training images (or rows) held out for validation where there is no val split, stratified by class",
        least=0,
        below=1,
    )
    split_file: str | None = setting(None, "text or CSV file of 'path,split' lines that defines the splits instead", path=True)
    channels: int = setting(3, "3 for colour, 1 for grayscale", least=1)
    labels: bool | None = setting(None, "whether images lie in one folder per class; default: found out from the folders")
    unreadable: str = setting(
        "refuse", "an image that cannot be read stops the packing (refuse), or is left out and counted (skip)", choices=("refuse", "skip")
    )
    download: bool = setting(False, "download CIFAR-10 where it is missing (170 MB)")
    eval_views: int = setting(50, "fixed augmentations of each image that are evaluated; the first is the image itself", least=1)
    split_seed: int = setting(0, "seed that chooses the images, or rows, that are held out", least=0, most=MOST_SEED)


@dataclass
class ColumnSettings:
    """How a table is read"""

    delimiter: str | None = setting(None, "of a text file; default: a comma, for .tsv a tab")
    decimal: str | None = setting(None, "decimal separator in a text file; default: a point")
    encoding: str | None = setting(None, "of a text file, such as cp1252; default: UTF-8, or UTF-16 where its first bytes say so")
    categorical: list[str] = setting([], "columns that are categorical, whatever their values")
    numeric: list[str] = setting([], "columns that are numeric, whatever their values")
    drop_columns: list[str] = setting([], "columns to leave out, such as identifiers")


@dataclass
class TablesSettings(ColumnSettings):
    """Tables (dataset=adult, dataset=mimic3, dataset=table)"""

    path: str | None = setting(
        None,
        "for dataset=table: the CSV, TSV (also .gz) or Parquet file; for dataset=pairs: the list of pairs, where it is not pairs.csv in data_dir; "
        "for dataset=features: the list of pairs, or the table of factor values",
        path=True,
    )
    label: str | None = setting(None, "column to predict; default: for adult income, for mimic3 long_stay")
    person: str | None = setting(
        None, "for dataset=table: column that identifies a row's person; all rows of a person are in the same split"
    )
    proxies: str = setting(
        "drop",
        "proxy columns, which give away a factor's value (adult's relationship: Husband, Wife), are left out (drop), replaced "
        "together with the factor in views (together), or used like any other column (keep)",
        choices=("drop", "together", "keep"),
    )
    proxy_columns: list[str] | dict[str, str] | None = setting(
        None, "names of the proxy columns, or with several factors {column: factor}; default: for adult relationship"
    )
    corruption: float = setting(
        0.4, "share of a row's columns, other than its factors, that each view redraws from the training rows", least=0, most=1
    )
    swap_chance: float = setting(0.5, "probability that a view's value of a factor differs from the row's", least=0, most=1)
    exact_chance: float = setting(
        0.0, "share of training pairs in which nothing is redrawn, so that source and target differ in factors alone", least=0, most=1
    )
    row_views: int = setting(10, "fixed views of each row that are evaluated; the first is the row itself", least=1)
    test_fraction: float = setting(
        0.2, "share of the rows held out for testing, where the files have no test split of their own", least=0, below=1
    )
    diagnoses: str = setting(
        "earlier",
        "for dataset=mimic3: ICD-9 groups of earlier admissions only (earlier), or also those of this admission, which are "
        "coded after discharge (admission)",
        choices=("earlier", "admission"),
    )


@dataclass
class ShardsSettings:
    """Data in shards (dataset=shards)"""

    shards: str | None = setting(
        None,
        "what contextssl data shard wrote: a folder, or an address that fsspec reads, s3://bucket/folder, https://server/folder",
    )
    shard_options: dict[str, Any] = setting(
        {}, "options of fsspec's file system for it, {endpoint_url:http://localhost:9000}; secrets belong in the environment"
    )
    shard_cache: str | None = setting(
        None, "folder of this machine that keeps what is fetched; default: ~/.cache/contextssl/shards", path=True
    )
    shard_cache_gb: float = setting(20.0, "most that is kept there", "GB", above=0)
    shuffle_gb: float = setting(
        4.0,
        "batches are drawn of shards that hold this much together, in a new order each epoch; more shuffles better; at most shard_cache_gb",
        "GB",
        above=0,
    )
    shard_lanes: int = setting(
        1,
        "parts of the shards of which every batch has an equal share: as many machines, or a divisor, fetch and keep their own parts alone",
        least=1,
    )


@dataclass
class DataSettings(ShapesSettings, PhotosSettings, TablesSettings, ShardsSettings):
    """Data"""

    dataset: str = setting(
        "3diebench",
        lambda: (
            f"{', '.join(DATA_SETS.names())}; or your own data, package.module:function, called without arguments (or with the settings), "
            "that returns a contextssl.Data"
        ),
        names=DATA_SETS,
    )
    data_dir: str | None = setting(
        None,
        "folder of the data: 3DIEBench as published, CIFAR-10's files, images in folders (or a tar or zip of them), images "
        "with a list of pairs (pairs.csv), a packed store, UCI Adult's or MIMIC-III's files; default for shapes: they are rendered into ./datasets",
        path=True,
    )
    ood_dir: str | None = setting(
        None,
        "for dataset=3diebench: folder of 3DIEBench-OOD, other views of the same objects, which split=ood evaluates; for dataset=shapes they are "
        "rendered",
        path=True,
    )
    resolution: int = setting(128, "height and width of the images", "pixels", least=1)
    resize: str = setting(
        "bilinear",
        "for dataset=3diebench: as the published code resizes images (bilinear), or faster: JPEG decoded at a smaller size, then bicubic (fast)",
        choices=("bilinear", "fast"),
    )
    features: str | None = setting(
        None,
        "for dataset=features: an .npy, .npz or .parquet file of features, a row for each view; path=FILE says what they are of: a list of pairs, or "
        "a table of factor values",
        path=True,
    )
    features_dir: str | None = setting(
        None, "for freeze=true: folder of the store of features; default: one next to the packed images", path=True
    )
    verify: bool = setting(
        True,
        "images and features of a store are compared with their checksums: up to 256 MiB when it is opened, of a larger one each item when it is "
        "first read",
    )


def names_of(group: type[Any]) -> tuple[str, ...]:
    """The names of a group of settings."""
    return tuple(field.name for field in fields(group))


@dataclass
class RenderSettings(ShapesSettings):
    """Render objects as in 3DIEBench, into a packed store or the published folder layout."""

    out: str = setting("datasets/shapes", "folder to write", path=True)
    resolution: int = setting(64, "height and width of the images", "pixels", least=1)
    split: str = setting(
        "all",
        "training and validation objects (all), or those of validation in poses that training never saw (ood)",
        choices=("all", "ood"),
    )
    layout: str = setting("packed", "a store that is ready for training, or the published images and latents", choices=("packed", "folder"))
    image_format: str = setting("png", "for layout=folder; png is lossless", choices=("png", "jpg"))
    workers: int = setting(0, "number of processes; 0 uses every core", least=0)
    progress: bool = setting(True, "show progress")


@dataclass
class PackSettings:
    """Pack a folder in 3DIEBench's published layout into one memory-mapped store."""

    data_dir: str | None = setting(
        None,
        "folder that contains meta/, and in it or in its subfolder 3DIEBench/ the views: SYNSET/OBJECT/image_i.jpg and latent_i.npy",
        path=True,
    )
    out: str | None = setting(None, "folder of the store; default: DATA_DIR/packed-RESOLUTION", path=True)
    resolution: int = setting(128, "height and width of the images", "pixels", least=1)
    resize: str = setting(
        "bilinear",
        "as the published code resizes images (bilinear), or faster: JPEG decoded at a smaller size, then bicubic (fast)",
        choices=("bilinear", "fast"),
    )
    check_ranges: bool = setting(True, "refuse latents outside 3DIEBench's published ranges")
    workers: int = setting(0, "number of processes; 0 uses every core", least=0)
    progress: bool = setting(True, "show progress")


@dataclass
class ShardSettings:
    """Write a packed store in shards, from where many machines read it: a folder, or an address that fsspec writes to."""

    data_dir: str | None = setting(None, "packed store", path=True)
    out: str | None = setting(None, "folder or address to write, s3://bucket/folder")
    shard_mb: float = setting(64.0, "size of a shard; one item at least", "MB", above=0)
    shard_options: dict[str, Any] = setting({}, "options of fsspec's file system for out, {endpoint_url:http://localhost:9000}")
    data_seed: int = setting(0, "seed of the order in which items are written", least=0, most=MOST_SEED)
    progress: bool = setting(True, "show progress")


@dataclass
class CheckSettings(AugmentationSettings, ColumnSettings):
    """Check data before training (a folder, packed store, images or a table): counts, damaged files, latents, labels, columns, sample views."""

    data_dir: str | None = setting(None, "folder, store, tar or zip of images, or table to check", path=True)
    dataset: str | None = setting(
        None, "data set to check it as, or your own data, package.module:function; default: recognised from the files", names=DATA_SETS
    )
    features: str | None = setting(None, "for dataset=features: the file of features", path=True)
    path: str | None = setting(
        None,
        "for dataset=features: the list of pairs, or the table of factor values; for dataset=pairs: the list, where it is not pairs.csv in data_dir",
        path=True,
    )
    picture: str | None = setting(None, "PNG file for the sample views; default: NAME-views.png", path=True)
    workers: int = setting(0, "number of processes; 0 uses every core", least=0)
    progress: bool = setting(True, "show progress")
    own: dict[str, Any] = setting({}, "settings that a plug-in (a data set) declares; each is given by its own name")
