"""The explorer as one file: the same answers as the server's, and nothing that a page could run but its own script."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from contextssl.cli import main
from contextssl.explorer.answers import NEIGHBOURS, Explorer
from contextssl.explorer.one_file import kept_data
from contextssl.explorer.page import whole_page
from contextssl.explorer.page_data import MAP_UNIT, description_data
from tests.explorer.tiny import tiny_explorer
from tests.report.pages import Page
from tests.test_cli import error_of


@pytest.fixture(scope="module")
def toy() -> Explorer:
    return tiny_explorer()


@pytest.mark.long
def test_its_answers_are_the_servers(toy: Explorer) -> None:
    kept = kept_data(toy)["kept"]
    assert kept["numbers"] == [0, 1, 2, 3, 7]
    assert set(kept["answers"]) == {f"{kind.name}/{number}" for kind in toy.kinds for number in (1, 2, 3, 7)}
    for place, kind in enumerate(toy.kinds):
        for number in (2, 7):
            found = kept["answers"][f"{kind.name}/{number}"]
            pairs = toy.pairs_of([(f"e{7 * place + pair}a", f"e{7 * place + pair}b") for pair in range(number)])
            near = np.frombuffer(base64.b64decode(found["nearest"]), "<u2").reshape(len(toy.shown), NEIGHBOURS)
            flat = np.frombuffer(base64.b64decode(found["map"]), "<i2").reshape(-1, 2) / MAP_UNIT
            for row in (0, 17):
                answer = toy.answer(pairs, toy.query(f"v{row}"))
                assert near[row].tolist() == [each for each, _ in answer.after]
                np.testing.assert_allclose(flat, answer.map.numpy(), atol=1e-3)
            assert found["described"] == description_data(toy.describe(pairs))


def test_the_page_runs_its_own_script_alone_and_shows_names_as_they_are(toy: Explorer) -> None:
    shown = dataclasses.replace(toy.shown, class_names=["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "c"])
    odd = Explorer(toy.model, shown, toy.kinds, about="<b>about</b>", name="<i>&run")
    html = whole_page(odd.name, kept_data(odd))
    page = Page(html)
    assert page.tags.count("script") == 2 and "img" not in page.tags and "i" not in page.tags
    assert all(value.startswith("data:") for _, _, value in page.loads)
    data, script = re.findall(r"<script[^>]*>(.*?)</script>", html, flags=re.DOTALL)
    assert json.loads(data)["classes"] == list(shown.class_names) and json.loads(data)["about"] == "<b>about</b>"
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert (
        f"script-src &#39;sha256-{digest}&#39;" in policy[1]
        and "connect-src" not in policy[1]
        and policy[1].startswith("default-src &#39;none&#39;")
    )


def test_beside_the_report_which_links_to_it(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run), f"out={tmp_path / 'page.html'}", "figures=false", "gallery=false", "explorer=true"]) == 0
    printed = capsys.readouterr().out
    assert f"explorer: {tmp_path / 'explorer.html'}" in printed
    assert ("a", "href", "explorer.html") in Page((tmp_path / "page.html").read_text()).loads
    size = (tmp_path / "explorer.html").stat().st_size
    assert 100_000 < size < 3_000_000
    said = error_of(capsys, "report", str(run), f"out={tmp_path / 'explorer.html'}", "gallery=false", "figures=false", "explorer=true")
    assert "the explorer is written to a file of this name" in said
