"""One self-contained HTML page a run: what was read, how good the model is, and where it went."""

import datetime
from pathlib import Path

import jinja2

from tfx_pipeline.config import Config
from tfx_pipeline.evaluation import BASELINE
from tfx_pipeline.runs import MODEL, OVERALL, Run

TEMPLATE = "report.html.jinja"


def write_report(config: Config, run: Run) -> Path:
    """Write `report.html` into the run folder and return its path."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfx_pipeline", "."), autoescape=True, trim_blocks=True
    )
    page = environment.get_template(TEMPLATE).render(
        name=config.pipeline.name,
        run=run,
        methods=compared(run),
        slices=run.metrics(),
        curves=run.learning_curves,
        zip=zip,
        settings=config.model_dump(mode="json"),
        written=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    path = Path(config.run_folder) / "report.html"
    path.write_text(page)
    return path


def compared(run: Run) -> dict[str, dict[str, float]]:
    """Metrics over all requests by method: the model, the last blessed one, the counters."""
    methods = {MODEL: run.metrics()[OVERALL]}
    if before := run.metrics(BASELINE):
        methods["last blessed model"] = before[OVERALL]
    return {**methods, **run.counters}
