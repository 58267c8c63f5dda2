"""Who may ask the explorer: pages of this very server alone, and what its pages may load: nothing from anywhere else."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Refuses what another page makes a browser ask.

    A name that an attacker has pointed at this machine is no host of ours (DNS rebinding), and what a page of another origin sends carries that
    origin. An address in numbers cannot be rebound.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in hosts)} - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if not self.is_ours(headers.get("host", "")):
            await JSONResponse({"error": "this name is not the explorer's: open the address that it printed"}, 421)(scope, receive, sealed)
        elif scope["method"] not in ("GET", "HEAD") and not same_origin(headers):
            await JSONResponse({"error": "another page asked this: open the explorer itself"}, 403)(scope, receive, sealed)
        else:
            await self.app(scope, receive, sealed)

    def is_ours(self, host: str) -> bool:
        """Whether a Host header names this server."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            ipaddress.ip_address(name)
        except ValueError:
            return host.lower() in self.hosts or host.rpartition(":")[0].lower() in self.hosts
        return True


def same_origin(headers: Headers) -> bool:
    """Whether the page that asks is of this server. Browsers send where it is from with everything but plain links; programs need not."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    try:
        ours = origin is None or urlsplit(origin).netloc == headers.get("host")
    except ValueError:
        return False
    return ours and site in (None, "same-origin", "none")
