"""The explorer's pages and answers over HTTP. It keeps no state of a visitor but the images that they give: a page sends what it needs to know."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import traceback
from collections.abc import Callable, Collection
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contextssl.errors import ContextSSLError, InputError
from contextssl.explorer.answers import Explorer, Query
from contextssl.explorer.describing import GivenUp
from contextssl.explorer.guard import Guard
from contextssl.explorer.page import SCRIPTS, STYLES, asset, served_page
from contextssl.explorer.page_data import answer_data, description_data, left_data, names_in, new_view_data, page_data, picture
from contextssl.explorer.uploads import MOST_BYTES, too_large
from contextssl.models.description import Description

# Bytes of a question at most: some dozens of names.
MOST_ASKED = 1 << 16
# Seconds after which it is seen that nobody waits for a description any more.
LOOK = 0.1


def application(explorer: Explorer, hosts: Collection[str] = ()) -> Starlette:
    """The server's ASGI application; ``hosts`` are the names it may be called by, beside addresses, localhost and this machine's own name."""
    given = page_data(explorer)
    whole = json.dumps(given, ensure_ascii=False, allow_nan=False).encode()

    async def page(request: Request) -> Response:
        return Response(served_page(explorer.name), media_type="text/html")

    async def data(request: Request) -> Response:
        return Response(whole, media_type="application/json")

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in (*SCRIPTS, *STYLES):
            return _error("there is no such file", 404)
        return Response(asset(name), media_type="text/javascript" if name.endswith(".js") else "text/css")

    async def answer(request: Request) -> Response:
        asked = await _asked(request)
        return JSONResponse(await run_in_threadpool(_answered, explorer, asked))

    async def left(request: Request) -> Response:
        pairs = _pairs(explorer, await _asked(request))
        return JSONResponse(left_data(await run_in_threadpool(explorer.left, pairs)))

    async def describe(request: Request) -> Response:
        pairs = _pairs(explorer, await _asked(request))
        given_up = threading.Event()
        work = asyncio.ensure_future(run_in_threadpool(explorer.describe, pairs, given_up.is_set))
        return JSONResponse(description_data(await _awaited(work, given_up, request.is_disconnected)))

    async def upload(request: Request) -> Response:
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > MOST_BYTES:
                return _error(too_large(), 413)
            parts.append(part)
        token, added = await run_in_threadpool(explorer.uploads.add, b"".join(parts))
        return JSONResponse({"name": f"u{token}", "picture": picture(added.image)})

    return Starlette(
        routes=[
            Route("/", page),
            Route("/data", data),
            Route("/files/{name}", file),
            Route("/answer", answer, methods=["POST"]),
            Route("/left", left, methods=["POST"]),
            Route("/describe", describe, methods=["POST"]),
            Route("/images", upload, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={ContextSSLError: _refused, ClientDisconnect: _gone, 404: _missing, 405: _missing, Exception: _failed},
    )


async def _asked(request: Request) -> dict[str, Any]:
    """A question as JSON. Raises InputError for anything else."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise InputError("questions are JSON: reload the page")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_ASKED:
            raise InputError("this question is too long: reload the page")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError("this question is no JSON: reload the page") from error
    if not isinstance(asked, dict):
        raise InputError("this question is no JSON object: reload the page")
    return asked


def _pairs(explorer: Explorer, asked: dict[str, Any]) -> Any:
    names = names_in(asked.get("pairs"))
    if names is None:
        raise InputError("pairs are a list of two names each: reload the page")
    return explorer.pairs_of(names)


def _answered(explorer: Explorer, asked: dict[str, Any]) -> dict[str, Any]:
    pairs, name, values = _pairs(explorer, asked), asked.get("query"), asked.get("values")
    if not isinstance(name, str):
        raise InputError("the query is the name of a view: reload the page")
    query = explorer.query(name)
    made: dict[str, Any] = {}
    if values is not None:
        if explorer.scenes is None or query.row is None or not isinstance(values, list):
            raise InputError("only rendered views can be changed: choose one of them")
        if not all(isinstance(value, int | float) for value in values):
            raise InputError("the sliders' values are numbers: reload the page")
        view = explorer.scenes.render(query.row, values)
        made = {"view": new_view_data(view, explorer.shown.class_of(query.row))}
        query = Query(explorer.model.encode(view.image[None])[0])
    return {**answer_data(explorer.answer(pairs, query)), **made}


async def _awaited(work: asyncio.Future[Description], given_up: threading.Event, is_disconnected: Callable[[], Any]) -> Description:
    while not work.done():
        if await is_disconnected():
            given_up.set()
        await asyncio.wait({work}, timeout=LOOK)
    return work.result()


def _error(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status)


async def _refused(request: Request, error: Exception) -> Response:
    return _error(str(error), 499 if isinstance(error, GivenUp) else 400)


async def _gone(request: Request, error: Exception) -> Response:
    return _error("the page has gone", 499)


async def _missing(request: Request, error: Exception) -> Response:
    return _error("there is no such page: open the explorer's first", getattr(error, "status_code", 404))


async def _failed(request: Request, error: Exception) -> Response:
    traceback.print_exception(error, file=sys.stderr)
    return _error("the explorer failed at this: its terminal says why", 500)
