"""The notebook of the documentation, in a kernel of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

NOTEBOOK = Path(__file__).parents[1] / "docs/first_steps.ipynb"


def test_outputs_are_not_in_the_repository() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, 4).cells if cell.cell_type == "code"]
    assert cells and all(not cell.outputs and cell.execution_count is None for cell in cells)


# Of the client: sockets and a loop that the kernel's end leaves to the collector.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_it_trains_adapts_and_shows(tmp_path: Path) -> None:
    book = nbformat.read(NOTEBOOK, 4)
    nbclient.NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output["data"] for output in outputs if output["output_type"] in ("display_data", "execute_result")]
    bars = [data["text/html"] for data in shown if "<progress" in data.get("text/html", "")]
    assert [bar.split()[0] for bar in bars] == ["<div>packing", "<div>epoch", "<div>epoch"], "one bar of each, written over"
    assert all("100%" in bar for bar in bars)
    said = "".join(output["text"] for output in outputs if output["output_type"] == "stream")
    assert said.startswith("7 examples") and len(said.splitlines()) < 10, "no progress is printed beside the bars"
    assert sum("image/png" in data for data in shown) == 1
    assert len([*(tmp_path / "first_steps").glob("*/results.json")]) == 2
