"""Names of files that are no text: on Linux a name is any bytes, and Python holds those that are no UTF-8 as lone surrogates."""

from __future__ import annotations

from contextssl.errors import NO_LETTER


def shown(name: str) -> str:
    """A name that can be printed, whatever its bytes: nothing in it moves the cursor of a terminal."""
    plain = name.encode("utf-8", "backslashreplace").decode()
    return NO_LETTER.sub(lambda match: match[0].encode("unicode_escape").decode(), plain)


def is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8; Python holds other bytes of a file's name as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
