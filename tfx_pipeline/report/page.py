"""Puts the page together."""

import datetime
from pathlib import Path

import jinja2

from tfx_pipeline.config import Config
from tfx_pipeline.model_versions import serving
from tfx_pipeline.monitor import NOT_JUDGED, read_monitoring
from tfx_pipeline.report import facts, sections
from tfx_pipeline.report.answers import example_answers
from tfx_pipeline.results import DIFFERENCE, OVERALL
from tfx_pipeline.runs import EVALUATION, EXAMPLES, Run, RunError, all_runs, compared
from tfx_pipeline.verdict import main_metric

TEMPLATE = "report.html.jinja"


def write_report(config: Config) -> Path:
    """Write `report.html` into the run folder and return its path.

    Raises:
      RunError: there is no run that read a log.
    """
    runs = [r for r in all_runs(config) if r.has(EXAMPLES)]
    if not runs:
        raise RunError(f"No run of {config.pipeline.name} has read a log; see `sessionrec run`.")
    page = (
        _environment()
        .get_template(TEMPLATE)
        .render(
            name=config.pipeline.name,
            written=datetime.datetime.now(datetime.UTC).strftime("%d %b %Y %H:%M UTC"),
            **_quality(config, runs),
            **_process(config, runs),
        )
    )
    path = Path(config.run_folder) / "report.html"
    path.write_text(page)
    return path


def _quality(config: Config, runs: list[Run]) -> dict:
    """What the page says about models."""
    numbered = dict(enumerate(runs, 1))
    finished = [run for run in runs if EVALUATION in run.outputs]
    evaluated = [run for run in finished if run.has(EVALUATION)]
    served, before = serving(evaluated, config.serving_folder)
    judged = served or (evaluated[-1] if evaluated else None)
    least = config.evaluate.min_slice_size
    return {
        "summary": facts.summary(runs, served, least),
        "served": served,
        "judged": judged,
        "change": judged and judged.results.get(DIFFERENCE, {}).get(OVERALL, {}),
        "main": judged and main_metric(judged.results["candidate"][OVERALL]),
        "trends": sections.trends(numbered),
        "slices": judged and sections.slice_charts(judged, least),
        "methods": compared(judged) if judged else {},
        "changed": facts.what_changed(before, served) if before and served else [],
        "answers": example_answers(config, served) if served else [],
        "history": {
            number: (run, facts.mark_of(run, finished) if run in finished else "stopped")
            for number, run in reversed(numbered.items())
        },
    }


def _process(config: Config, runs: list[Run]) -> dict:
    """What the page says about data and training."""
    numbered = dict(enumerate(runs, 1))
    return {
        "latest": runs[-1],
        "compared": [
            *(f"{name}@{k}" for k in config.evaluate.cutoffs for name in ("recall", "ndcg")),
            *(f"{name}@{config.evaluate.cutoffs[-1]}" for name in ("hit_rate", "mrr", "map")),
        ],
        "curves": sections.learning(numbered),
        "data": sections.data(numbered),
        "monitoring": read_monitoring(config),
        "not_judged": NOT_JUDGED,
        "letters": sections.dead_letters(runs[-1]),
        "settings": config.model_dump(mode="json"),
    }


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfx_pipeline.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"moment": facts.moment, "day": facts.day}
    return environment
