"""The doors by which a hostile file comes in: a command as a user types it, or one of a few calls that no command makes alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contextssl.errors import ContextSSLError


def enter(words: Sequence[str]) -> int:
    """The exit code of a command, or of one of the :data:`DOORS`."""
    if words[0] not in DOORS:
        from contextssl.cli import main

        return main(words)
    try:
        return DOORS[words[0]](*words[1:]) or 0
    except ContextSSLError as error:
        print(f"contextssl: error: {error}", file=sys.stderr)
        return 2


def load(path: str) -> None:
    import contextssl

    contextssl.load_any(path)


def from_pretrained(path: str) -> None:
    import contextssl

    contextssl.ContextSSL.from_pretrained(path)


def load_context(path: str) -> None:
    import contextssl

    contextssl.load("shapes", device="cpu").load_context(path)


def open_store(path: str) -> None:
    from contextssl.data.store import open_store as opened

    opened(path)


def read_actions(path: str) -> None:
    import contextssl
    from contextssl.data.given_actions import read_actions as read

    read(Path(path), contextssl.load("shapes", device="cpu").factors, None, 4)


def mesh(path: str) -> None:
    from contextssl.data.shapes.meshes import load_mesh

    load_mesh(Path(path))


def explore(path: str) -> None:
    """All that contextssl explore does before it serves."""
    from contextssl.config.explorer_settings import ExploreSettings
    from contextssl.explorer.opening import open_explorer

    open_explorer(ExploreSettings(model=path, views=16, accelerator="cpu", progress=False))


def upload(path: str, kind: str = "image/png") -> int:
    """A file as the body of an upload to the explorer."""
    import torch

    from contextssl.explorer.uploads import Uploads

    uploads = Uploads((3, 64, 64), lambda images: torch.zeros(len(images), 4))
    uploads.add(Path(path).read_bytes())
    return 0


def stub_explorer() -> Any:
    """The explorer of the shipped model, with noise to look at and no examples."""
    import torch

    import contextssl
    from contextssl.explorer.answers import Explorer
    from contextssl.explorer.shown_views import ShownViews

    model: Any = contextssl.load("shapes", device="cpu")
    images = torch.randint(0, 256, (8, *model.view_shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    shown = ShownViews(images, [f"view {row}" for row in range(8)], torch.arange(8), torch.zeros(8, dtype=torch.int64), ["all"])
    return Explorer(model, shown, [])


def request(path: str) -> int:
    """A request to the explorer's server, as JSON: method, path, headers, body; ``chunks`` of so many bytes come instead of a body."""
    from starlette.testclient import TestClient

    from contextssl.explorer.server import application

    asked: dict[str, Any] = json.loads(Path(path).read_text())
    chunks = asked.get("chunks")
    body: Any = (b"x" * chunks[1] for _ in range(chunks[0])) if chunks else bytes.fromhex(asked.get("body", ""))
    with TestClient(application(stub_explorer()), base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as client:
        answered = client.request(asked["method"], asked["path"], headers=asked.get("headers", {}), content=body)
    if answered.status_code in (200, 404):
        return 0
    print(f"contextssl: error: {answered.status_code} {answered.json()['error']}", file=sys.stderr)
    return 2 if answered.status_code < 500 else 99


DOORS: Mapping[str, Callable[..., int | None]] = {
    "python:load": load,
    "python:from_pretrained": from_pretrained,
    "python:load_context": load_context,
    "python:open_store": open_store,
    "python:read_actions": read_actions,
    "python:mesh": mesh,
    "python:explore": explore,
    "python:upload": upload,
    "python:request": request,
}
