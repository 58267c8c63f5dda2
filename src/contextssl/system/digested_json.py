"""JSON files with a digest of their values in them: a digit that was changed, by hand or by a disk, is found when the file is read.

The digest is the first line within the braces. It is of the values, not of the text, so that a file may be formatted anew; who means to change a
value removes that line. Files of before there were digests have none, and are read as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contextssl.digest import digest_of
from contextssl.errors import DataError, NewerFormatError, brief
from contextssl.system.files import JSON_BYTES, parse_json, read_regular, storage_error, write_json

DIGEST, FORMAT = "digest", "format"
# Of a digest, in letters.
LENGTH = 16


def write_digested(path: Path | str, values: Mapping[str, Any]) -> None:
    """Writes plain values as valid JSON with their digest, whole or not at all. Raises ValueError and DataError as
    :func:`~contextssl.system.files.write_json`.
    """
    # As they will be read: tuples are lists then, and keys are texts.
    plain = json.loads(json.dumps(values, ensure_ascii=False, allow_nan=False))
    write_json(path, {DIGEST: digest_of(plain), **plain})


def read_digested(path: Path | str, fix: str, newest: int | None = None, key: str = FORMAT) -> dict[str, Any]:
    """The values of a JSON file, without their digest.

    Args:
        fix: what to do about a damaged one, as ``"remove it"``.
        newest: the format that this version writes, by the name ``key``; None for a file without one.

    Raises:
        DataError: for a file that is missing, damaged, or was changed after it was written; NewerFormatError for a newer format.
    """
    try:
        data = read_regular(Path(path), JSON_BYTES)
    except OSError as error:
        raise storage_error(error, path, "read") from error
    try:
        values = parse_json(data, path)
    except DataError as error:
        raise DataError(f"{path} is damaged ({error.__cause__ or error}): {fix}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} is damaged (it holds a {type(values).__name__}): {fix}")
    digest = values.pop(DIGEST, None)
    if newest is not None:
        _check_format(path, values.get(key, newest), newest, values.get("made_by") or values.get("version"), fix)
    if (digest is None and _is_under_another_name(values)) or (digest is not None and digest != digest_of(values)):
        raise DataError(
            f'{path} was changed after it was written, or is damaged (its digest differs): {fix}; if the change is meant, remove its line "{DIGEST}"'
        )
    return values


def _check_format(path: Path | str, written: Any, newest: int, by: Any, fix: str) -> None:
    """``by``: what wrote the file. Files of version 0.1 may lack their format."""
    if not isinstance(written, int) or isinstance(written, bool) or written < 1:
        raise DataError(f"{path} is damaged (its format is {brief(written)}): {fix}")
    if written > newest:
        who = f"contextssl {by.removeprefix('contextssl ')}" if isinstance(by, str) else "a newer version of contextssl"
        raise NewerFormatError(
            f"{path} has format {brief(written)}, written by {who}: this version reads {newest}; update contextssl to read it"
        )


def _is_under_another_name(values: Mapping[str, Any]) -> bool:
    """Whether the digest is there, and its own name damaged."""
    texts = [name for name, each in values.items() if isinstance(each, str) and len(each) == LENGTH]
    return any(values[name] == digest_of({other: each for other, each in values.items() if other != name}) for name in texts)
