"""`sessionrec benchmark quality`: train under `last-session`, then measure beside the counters."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from tfx.utils import path_utils

from benchmarks.quality import QualityRun, run_quality
from benchmarks.results import Row, markdown_table, write_results
from components.ingestion.shards import split_folder
from model import features
from tfx_pipeline.config import Config
from tfx_pipeline.local_runner import run_pipeline
from tfx_pipeline.runs import latest_run


def benchmark_quality(
    configs: Sequence[Config], output: Path, command: str, console: Console
) -> None:
    """Run each configuration's pipeline under `last-session` and write one table of all.

    The number of epochs is chosen on each user's second-last session; the last one is read only
    to measure.

    Args:
      configs: one a data set; their pipelines get a name and a folder of their own.
      output: folder for results.json and results.md.
      command: what reproduces the rows.
      console: where progress goes.
    """
    rows: list[Row] = []
    for config in configs:
        dataset = config.pipeline.name
        console.print(f"{dataset}:")
        config = under_last_session(config)
        run_pipeline(config, console)
        run = latest_run(config.metadata_path)
        rows += run_quality(
            QualityRun(
                dataset=dataset,
                examples=split_folder(run.examples_uri, features.TEST_SPLIT),
                min_sessions_per_item=config.model.min_sessions_per_item,
                command=command,
                servable=path_utils.serving_model_path(run.outputs["Trainer.model"].uri),
                seed=config.train.seed,
            )
        )
    write_results(rows, output)
    console.print(markdown_table(rows))
    console.print(f"results: {output}")


def under_last_session(config: Config) -> Config:
    """The same configuration under the protocol `last-session`, apart from production's runs."""
    split = config.split.model_copy(update={"protocol": "last-session"})
    pipeline = config.pipeline.model_copy(update={"name": f"{config.pipeline.name}_last_session"})
    return config.model_copy(update={"split": split, "pipeline": pipeline})
