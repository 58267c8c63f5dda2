"""Photo augmentations whose parameters are known: what leads from one view of an image to another is the action."""

from contextssl.data.augmentations.augmentation import Augmentation
from contextssl.data.augmentations.blur import Blur
from contextssl.data.augmentations.color import Color
from contextssl.data.augmentations.compose import AUGMENTATIONS, Augmentations
from contextssl.data.augmentations.crop import Crop
from contextssl.data.augmentations.flip import Flip
from contextssl.data.augmentations.from_kornia import FromKornia
from contextssl.data.augmentations.grayscale import Grayscale
from contextssl.data.augmentations.rotate import Rotate

__all__ = ["AUGMENTATIONS", "Augmentation", "Augmentations", "Blur", "Color", "Crop", "Flip", "FromKornia", "Grayscale", "Rotate"]
