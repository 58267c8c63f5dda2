"""Runs the explorer's server until the command is interrupted."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator

import uvicorn

from contextssl.errors import ContextSSLError, SettingsError
from contextssl.explorer.answers import Explorer
from contextssl.explorer.server import application

EVERYWHERE = ("0.0.0.0", "::")
# Seconds between two looks at whether the server still runs.
LOOK = 0.2


@contextlib.contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens. Raises SettingsError where the port is taken, or the host is no address of this machine."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        made = socket.create_server((host, port), family=family)
    except socket.gaierror as error:
        raise SettingsError(
            f"host={host} is no name or address ({error.strerror}): give 127.0.0.1, or an address of this machine"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"cannot listen on port {port} of {host} ({error.strerror}): give another port=NUMBER, or port=0 for any that is free"
        ) from error
    with made:
        yield made


def serve(explorer: Explorer, listening: socket.socket, host: str, *, open_browser: bool) -> None:
    """Serves until the main thread is interrupted, by KeyboardInterrupt; the server runs in a thread of its own, so that nothing that it does keeps
    Ctrl-C waiting. Raises ContextSSLError where the server ends by itself.
    """
    config = uvicorn.Config(application(explorer, {host}), log_level="warning", access_log=False, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="explorer", daemon=True)
    try:
        thread.start()
        while thread.is_alive() and not server.started:
            time.sleep(0.02)
        if server.started:
            address = address_of(host, listening.getsockname()[1])
            print(f"explorer: {address} (Ctrl-C ends it)", flush=True)
            if open_browser and has_desktop():
                webbrowser.open(address)
        while thread.is_alive():
            thread.join(LOOK)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the explorer has ended") from None
    finally:
        server.should_exit = True
    raise ContextSSLError("the explorer's server has ended: the lines above say why")


def address_of(host: str, port: int) -> str:
    """Where a browser on this machine finds the page."""
    name = "localhost" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/"


def has_desktop() -> bool:
    """Whether a browser can open in a window: one in the terminal would take it."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
