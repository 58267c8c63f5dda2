"""What the server answers, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from contextssl.explorer import server
from contextssl.explorer.answers import Explorer
from contextssl.explorer.guard import Guard
from contextssl.explorer.page import SCRIPTS, STYLES
from contextssl.explorer.server import application
from tests.explorer.test_uploads import image_bytes
from tests.explorer.tiny import tiny_explorer
from tests.report.pages import Page


@pytest.fixture(scope="module")
def toy() -> Explorer:
    return tiny_explorer()


@pytest.fixture
def client(toy: Explorer) -> Iterator[TestClient]:
    # What fails on the server comes back as the answer that a browser gets.
    with TestClient(application(toy, {"box.lan"}), base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as made:
        yield made


def ask(client: TestClient, path: str, **question: Any) -> Any:
    answered = client.post(path, json=question)
    return answered.json() if answered.status_code == 200 else answered.json()["error"]


def test_the_page_loads_its_own_files_alone(client: TestClient) -> None:
    answered = client.get("/")
    page = Page(answered.text)
    assert {value for _, _, value in page.loads} == {f"files/{name}" for name in (*SCRIPTS, *STYLES)} | {"data:,"}
    policy = answered.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'")
    assert "unsafe" not in policy and "access-control-allow-origin" not in answered.headers
    for name in (*SCRIPTS, *STYLES):
        found = client.get(f"/files/{name}")
        assert found.status_code == 200 and found.headers["content-type"].startswith(("text/javascript", "text/css"))
        assert (
            "http://" not in found.text.replace("http://www.w3.org/2000/svg", "")
            and "https://" not in found.text
            and "innerHTML" not in found.text
        )
    for name in ("body.html", "../page.py", "%2e%2e/page.py", "nothing.js"):
        assert client.get(f"/files/{name}").status_code == 404


def test_the_data_hold_all_that_the_page_shows(client: TestClient, toy: Explorer) -> None:
    data = client.get("/data").json()
    assert len(data["views"]) == len(data["latents"]) == len(toy.shown)
    assert all(view["picture"].startswith("data:image/webp;base64,") for view in data["views"])
    assert [colouring["title"] for colouring in data["colourings"]] == ["class", "rotation", "floor hue", "light hue", "object"]
    assert all(len(colouring["values"]) == len(toy.shown) for colouring in data["colourings"])
    assert data["kinds"][1]["pairs"][0]["names"] == ["e7a", "e7b"] and data["most"] == 7 and data["sliders"] == []


def test_two_visitors_do_not_disturb_each_other(client: TestClient) -> None:
    one = {"pairs": [["e0a", "e0b"], ["v1", "v2"]], "query": "v3"}
    other = {"pairs": [["e7a", "e7b"]], "query": "v20"}
    first, second = ask(client, "/answer", **one), ask(client, "/answer", **other)
    assert first["pairs"] == 2 and second["pairs"] == 1 and first != second
    assert ask(client, "/answer", **one) == first and ask(client, "/answer", **other) == second
    left, said = ask(client, "/left", pairs=one["pairs"]), ask(client, "/describe", pairs=one["pairs"])
    assert {each["title"] for each in left} == {"rotation", "colour"}
    assert [each["left"] for each in said["factors"]] == [each["left"] for each in left] and said["more"].startswith("More pairs would ")


def test_an_image_that_is_given_is_a_view(client: TestClient) -> None:
    names = []
    for colour in ((255, 0, 0), (0, 0, 255)):
        answered = client.post("/images", content=image_bytes(colour=colour))
        assert answered.status_code == 200 and answered.json()["picture"].startswith("data:image/webp")
        names.append(answered.json()["name"])
    found = ask(client, "/answer", pairs=[names, ["v0", names[0]]], query=names[1])
    assert found["pairs"] == 2 and len(found["after"]) == 8 and found["after"] != found["without"]


@pytest.mark.parametrize(
    ("path", "question", "says"),
    [
        ("/answer", {"pairs": [], "query": "v99"}, "there is no view 'v99': reload the page"),
        ("/answer", {"pairs": [], "query": 3}, "the query is the name of a view"),
        ("/answer", {"pairs": [["v0"]], "query": "v0"}, "pairs are a list of two names each"),
        ("/answer", {"pairs": [["v0", {"a": 1}]], "query": "v0"}, "pairs are a list of two names each"),
        ("/answer", {"query": "v0"}, "pairs are a list of two names each"),
        ("/answer", {"pairs": [], "query": "v0", "values": [0.1]}, "only rendered views can be changed"),
        ("/answer", {"pairs": [["v0", "v1"]] * 8, "query": "v0"}, "8 examples are more than the 7"),
        ("/answer", {"pairs": [["uABC", "v1"]], "query": "v0"}, "no longer kept: give it again"),
        ("/describe", {"pairs": []}, "no examples to describe"),
        ("/left", {"pairs": []}, "no examples to describe"),
    ],
)
def test_every_mistake_is_one_sentence(client: TestClient, path: str, question: dict[str, Any], says: str) -> None:
    answered = client.post(path, json=question)
    assert answered.status_code == 400 and says in answered.json()["error"] and "\n" not in answered.json()["error"]


def test_what_is_no_question_is_refused(client: TestClient) -> None:
    assert "questions are JSON" in client.post("/answer", content=b"{}", headers={"content-type": "text/plain"}).json()["error"]
    kind = {"content-type": "application/json"}
    for body in (b"{", b"[" * 60_000):
        assert "no JSON" in client.post("/answer", content=body, headers=kind).json()["error"]
    assert "no JSON object" in client.post("/answer", content=b"[1]", headers=kind).json()["error"]
    assert "too long" in client.post("/answer", content=b" " * (server.MOST_ASKED + 1), headers=kind).json()["error"]
    assert client.get("/answer").status_code == 405 and client.get("/nothing").status_code == 404


def test_large_uploads_are_cut_short(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_BYTES", 1000)
    answered = client.post("/images", content=b"x" * 1001)
    assert answered.status_code == 413 and "make it smaller" in answered.json()["error"]
    assert "cannot be decoded" in client.post("/images", content=b"x" * 900).json()["error"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "localhost.evil.example:80"])
def test_a_name_that_points_here_is_no_host(client: TestClient, host: str) -> None:
    """DNS rebinding: the browser asks this server for another's page."""
    answered = client.get("/data", headers={"host": host})
    assert answered.status_code == 421 and "open the address that it printed" in answered.json()["error"]


@pytest.mark.parametrize(
    "host", ["localhost:1", "LOCALHOST", "127.0.0.1:8765", "[::1]:8765", "192.168.1.5:8765", "box.lan:8765", "Box.LAN"]
)
def test_its_own_names_and_addresses_are(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://["},
    ],
)
def test_another_page_cannot_ask(client: TestClient, headers: dict[str, str]) -> None:
    for path in ("/answer", "/images"):
        answered = client.post(path, json={"pairs": [], "query": "v0"}, headers=headers)
        assert answered.status_code == 403 and "another page" in answered.json()["error"]
    own = {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}
    assert client.post("/answer", json={"pairs": [], "query": "v0"}, headers=own).status_code == 200


def test_a_failure_of_the_server_says_so_without_its_inside(
    client: TestClient, toy: Explorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(toy, "answer", lambda *given: 1 / 0)
    answered = client.post("/answer", json={"pairs": [], "query": "v0"})
    assert answered.status_code == 500 and answered.json() == {"error": "the explorer failed at this: its terminal says why"}
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_names_of_the_data_are_plain_values(toy: Explorer) -> None:
    assert json.loads(json.dumps(toy.about)) == "toy views" and Guard(application(toy), {""}).is_ours("localhost")
