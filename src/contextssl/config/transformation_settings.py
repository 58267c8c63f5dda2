"""Settings of the protocol ``unseen-transformations``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contextssl.config.setting import setting


@dataclass
class TransformationSettings:
    """Unseen transformations"""

    transformations: list[str] | None = setting(
        None,
        "transformations of images, named as in factors=[…], such as [grayscale,kornia:RandomSolarize]; default: ours and five of "
        "kornia. Those that training varied are measured too, as a control",
    )
    transformation_settings: dict[str, Any] = setting(
        {}, "arguments of some of them, as in augmentation_settings: '{RandomSolarize:{thresholds:[0.2,0.4]}}'"
    )
    transformed_items: int = setting(
        1000, "maximum number of images that are transformed, among which each is found again; 0 uses all", least=0
    )
