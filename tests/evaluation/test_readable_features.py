"""What is said of features in which little is there."""

from __future__ import annotations

from contextssl.evaluation.readable_features import advice
from contextssl.records.results import ResultRow


def test_what_is_hardly_there_is_named() -> None:
    rows = [ResultRow("features", "r2_pooled", 0.09, "rotate"), ResultRow("features", "r2_pooled", 0.6, "color")]
    said = advice(rows)
    assert said is not None and "hardly in these features: rotate (R² 0.09); no context brings out" in said and "color" not in said
    of_photos = advice(rows, augmented=True)
    assert of_photos is not None and "two views of a photo may still tell" in of_photos and "no context" not in of_photos
    assert advice(rows[1:]) is None
