"""TFMA's own tools read what the Evaluator wrote."""

from pathlib import Path

import nbformat
import pytest
import tensorflow_model_analysis as tfma
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tfma.ipynb"


def test_results_load_as_tfma_wrote_them(artifacts):
    _, made = artifacts
    result = tfma.load_eval_result(made["second"], model_name="candidate")
    slices = dict(result.slicing_metrics)
    value = slices[()][""][""]["ndcg_at_10"]["boundedValue"]
    assert value["lowerBound"] < value["value"] < value["upperBound"]
    assert (("recent_sessions", "8+"),) in slices
    assert tfma.load_validation_result(made["second"]).validation_ok


def test_the_notebook_shows_the_widgets(artifacts, monkeypatch):
    _, made = artifacts
    monkeypatch.setenv("EVALUATION", made["second"])
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300).execute()
    shown = [
        output["data"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "display_data" or output.output_type == "execute_result"
    ]
    widgets = [data for data in shown if "application/vnd.jupyter.widget-view+json" in data]
    assert len(widgets) >= 2
