"""A web server of this machine that is slow, stalls, and drops connections."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

CHUNK = 4096


class Rough:
    """What the server does to a request, by its path and how often it was asked for.

    Args:
        fault: ``""`` for none, ``"drop"`` (half of the file, then the end of the connection), ``"stall"`` (half of it, then nothing), ``"error"``
            (503), ``"slow"`` (a chunk every few milliseconds).
    """

    def __init__(self, folder: Path, fault: Callable[[str, int], str]) -> None:
        self.folder, self.fault = folder, fault
        self.asked: Counter[str] = Counter()
        self.address = ""
        self.stall_seconds = 3.0


@contextmanager
def rough_server(folder: Path, fault: Callable[[str, int], str] = lambda path, asked: "") -> Iterator[Rough]:
    rough = Rough(folder, fault)

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            rough.asked[self.path] += 1
            kind = rough.fault(self.path, rough.asked[self.path])
            file = folder / self.path.lstrip("/")
            if not file.is_file():
                self.send_error(404)
                return
            if kind == "error":
                self.send_error(503)
                return
            data = file.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            whole = len(data) if kind in ("", "slow") else len(data) // 2
            for start in range(0, whole, CHUNK):
                self.wfile.write(data[start : min(start + CHUNK, whole)])
                if kind == "slow":
                    time.sleep(0.002)
            if kind == "stall":
                self.wfile.flush()
                time.sleep(rough.stall_seconds)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that has left is no fault of the server's."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    rough.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield rough
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
