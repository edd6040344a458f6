"""The report's figures of slices whose values have signs of their own."""

from tfx_pipeline.report.sections import slice_charts
from tfx_pipeline.results import Figure
from tfx_pipeline.runs import Run


def test_values_with_signs_of_their_own_are_drawn():
    metrics = {"ndcg@10": Figure(0.1, 0.0, 0.2), "requests": Figure(60)}
    names = ["all", "size=5 * 4", "size=$1^ = $2", "size=5 * 4 * shop=a=b", "shop=" + 50 * "x"]
    run = Run("1", {})
    run.__dict__["results"] = {"candidate": dict.fromkeys(names, metrics)}
    drawn = slice_charts(run, 50)["charts"]
    assert set(drawn) == {"size", "size * shop", "shop"}
    assert "$1^ = $2" in drawn["size"]
    assert 35 * "x" + "…" in drawn["shop"]
