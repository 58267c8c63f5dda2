"""The command from a trained run to a page with a gallery, and the gallery against a slow search."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import contextssl
from contextssl.cli import main
from contextssl.data.pairs import ViewPairs
from contextssl.data.store import open_store
from contextssl.evaluation.contexts import draw_contexts
from contextssl.report.collect import read_run
from contextssl.report.gallery import GALLERY, data_uri, gallery_of
from contextssl.system.files import read_json
from tests.report.pages import Page
from tests.report.synthetic import evaluations, write_run
from tests.sources import ToySource, toy_store
from tests.test_cli import TINY, error_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one tiny epoch on toy views, and its data beside it."""
    folder = tmp_path_factory.mktemp("trained")
    toy_store(folder / "store", ToySource(num_views=6), resolution=16)
    assert main(["train", *TINY, f"data_dir={folder / 'store'}", "resolution=16", f"run_dir={folder / 'run'}"]) == 0
    return folder / "run"


def test_from_a_trained_run_to_a_page(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(trained), "figures=false"]) == 0
    assert capsys.readouterr().out.strip() == f"report: {trained / 'report.html'}"
    html = (trained / "report.html").read_text()
    page = Page(html)
    assert "nearest to the query among all 18 views of 3 validation items" in page.text
    # Three queries with target, six neighbours and six of the object's views in two contexts; three pairs of a context of 6 tokens.
    assert page.tags.count("img") == 3 * (2 + 2 * (6 + 6)) + 2 * 3
    assert all(value.startswith(("data:image/webp;base64,", "#")) for tag, _, value in page.loads if tag != "a")
    kept = (trained / GALLERY).stat().st_mtime_ns
    assert main(["report", str(trained), "figures=false"]) == 0
    assert (trained / GALLERY).stat().st_mtime_ns == kept, "made once"


def test_the_gallery_is_what_a_slow_search_finds(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The model is called as a user would, in float32, as evaluations are.
    monkeypatch.setattr("contextssl.system.precision._gains_from_bf16", lambda: True)
    (trained / GALLERY).unlink(missing_ok=True)
    gallery, reason = gallery_of(read_run(trained))
    assert gallery is not None and reason is None
    store = open_store(trained.parent / "store")
    model, views = contextssl.load(trained), store["val"]
    pairs = draw_contexts(ViewPairs(store["train"]), model.predictor.block_size // 2 - 1, 1, gallery["seed"])[0]
    images = [views.images[item, view] for item in range(views.num_items) for view in range(views.num_views)]
    every = torch.stack([torch.from_numpy(image.copy()).permute(2, 0, 1) for image in images])
    by_image = {data_uri(image): row for row, image in enumerate(images)}
    for environment in ("rotation", "color"):
        context = model.context(pairs.source, pairs.action, pairs.target, environment=environment)
        unit = F.normalize(model.embed(every, context), dim=-1)
        for query in gallery["queries"]:
            source, target = (by_image[gallery["images"][query[end]]] for end in ("query", "target"))
            found = [by_image[gallery["images"][entry["image"]]] for entry in query["environments"][environment]["neighbours"]]
            order = sorted((row for row in range(len(images)) if row != source), key=lambda row: -float(unit[row] @ unit[source]))
            assert found == order[: len(found)]
            mask = model.factors.mask(environment)
            latents = torch.from_numpy(views.latents.reshape(len(images), -1))
            told = model.factors.relative(latents[source], latents[target]) * mask
            predicted = F.normalize(model.predict(every[source : source + 1], told[None], context), dim=-1)[0]
            own = range(source // views.num_views * views.num_views, (source // views.num_views + 1) * views.num_views)
            place = 1 + sum(float(unit[row] @ predicted) > float(unit[target] @ predicted) for row in own if row != target)
            assert query["environments"][environment]["rank"] == place


def test_a_gallery_of_other_weights_is_not_shown(trained: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", evaluated=evaluations(weights="another"))
    (folder / GALLERY).write_text(json.dumps(read_json(trained / GALLERY)))
    gallery, reason = gallery_of(read_run(folder))
    assert gallery is None and reason is not None and "has no checkpoints" in reason


def test_data_that_are_gone_are_one_line_of_the_page(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, away = trained.parent / "store", trained.parent / "away"
    (trained / GALLERY).unlink(missing_ok=True)
    store.rename(away)
    try:
        assert main(["report", str(trained), "figures=false"]) == 0
        assert "No gallery of run: the run’s data are not at hand at" in Page((trained / "report.html").read_text()).text
        assert main(["report", str(trained), "figures=false", f"data_dir={away}"]) == 0
        assert "validation items" in Page((trained / "report.html").read_text()).text
    finally:
        away.rename(store)


def test_several_words_are_several_runs(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(in_folder / "it's one", keep=lambda row: row.metric == "mrr")
    write_run(in_folder / "two", keep=lambda row: row.metric == "mrr", evaluated=evaluations(queries=0))
    assert main(["report", "it's one", "two", "out=both.html"]) == 0
    captured = capsys.readouterr()
    assert "report: both.html" in captured.out and "figures: figures" in captured.out
    assert "warning: these runs were not evaluated in the same way: queries (retrieval): 50 in it's one; 0 in two" in captured.err
    assert (in_folder / "figures" / "retrieval.png").stat().st_size > 1000
    headed = [row[0] for row in Page(Path("both.html").read_text()).rows if len(row) == 1]
    assert headed[:2] == ["it’s one, val split, 500 queries", "two, val split, 500 queries"]


def test_mistakes_end_in_one_line(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "say which runs to report" in error_of(capsys, "report")
    assert "no run at nowhere" in error_of(capsys, "report", "nowhere")
    assert "did you mean 'out'" in error_of(capsys, "report", "nowhere", "uot=x.html")
    folder = write_run(in_folder / "run")
    (folder / "results.json").write_text('{"run"')
    assert "results.json is damaged" in error_of(capsys, "report", "run")
