"""``contextssl explore``: a local page on which examples are chosen and the neighbours follow."""

from __future__ import annotations

import importlib.util

from contextssl.config.explorer_settings import LOOPBACK, ExploreSettings
from contextssl.errors import ContextSSLError
from contextssl.system.console import warn

NEEDED = ("starlette", "uvicorn")


def run_explore(settings: ExploreSettings) -> int:
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise ContextSSLError(f"the explorer needs {' and '.join(missing)}: pip install 'contextssl[explorer]'")
    from contextssl.explorer.opening import open_explorer
    from contextssl.explorer.serving import bound, serve

    # Before the model is loaded, which takes longer.
    with bound(settings.host, settings.port) as listening:
        if settings.host not in (LOOPBACK, "localhost", "::1"):
            warn(f"host={settings.host} lets in everybody who can reach this machine there, without a password")
        serve(open_explorer(settings), listening, settings.host, open_browser=settings.open)
    return 0
