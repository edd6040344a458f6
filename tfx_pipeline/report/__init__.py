"""The report: one self-contained HTML page about all runs of a pipeline."""

from tfx_pipeline.report.page import write_report

__all__ = ["write_report"]
