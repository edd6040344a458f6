"""Plots of the rows that the tables are made from."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from benchmarks.results import (
    CPU_S,
    CURVE,
    FITTED_LOSS,
    LOSS,
    P50_MS,
    PEAK_MB,
    SIZES,
    VALIDATION_NDCG,
    Row,
)

# Ten colors that differ, then ten lighter ones.
_COLORS = plt.colormaps["tab20"]([*range(0, 20, 2), *range(1, 20, 2)])

SERVING_LOADS = {
    "exact-batch-1-alone": "exact, alone",
    "exact-batch-1-half": "exact, half load",
    "clusters-batch-1-alone": "clusters, alone",
    "clusters-batch-1-half": "clusters, half load",
    "exact-encode-batch-1-alone": "user vector only",
}


def plot_curves(rows: Sequence[Row], folder: Path) -> None:
    """Writes BENCHMARK-DATASET.png: validation NDCG@20 against seconds of training.

    A learned method has a line a seed, one that counts and was tuned a dashed level. Nothing is
    written for a data set without a learned method.
    """
    for benchmark, dataset in dict.fromkeys((row.benchmark, row.dataset) for row in rows):
        of_it = [row for row in rows if (row.benchmark, row.dataset) == (benchmark, dataset)]
        points = [row for row in of_it if row.metric.startswith(CURVE)]
        if not points:
            continue
        figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
        learned = list(dict.fromkeys(row.method for row in points))
        for color, method in enumerate(learned):
            for seed in dict.fromkeys(row.seed for row in points if row.method == method):
                line = [row for row in points if (row.method, row.seed) == (method, seed)]
                axes.plot(
                    [row.seconds for row in line],
                    [row.value for row in line],
                    marker=".",
                    color=_COLORS[color % len(_COLORS)],
                    label=method if seed == 0 else None,
                )
        for row in of_it:
            if row.metric == VALIDATION_NDCG and row.method not in learned:
                axes.axhline(row.value, linestyle="--", color="grey", linewidth=1)
                place = (0.01, row.value)
                across = axes.get_yaxis_transform()
                axes.annotate(row.method, place, xycoords=across, fontsize=8, color="grey")
        axes.set(xlabel="seconds of training", ylabel="validation NDCG@20", title=dataset)
        axes.set_xscale("log")
        figure.legend(fontsize=8, loc="outside right upper")
        _save(figure, folder / f"{benchmark}-{dataset}.png")


def plot_power_laws(rows: Sequence[Row], folder: Path) -> None:
    """Writes DATASET.png: loss against parameters and against interactions, with the laws."""
    for dataset in dict.fromkeys(row.dataset for row in rows):
        figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
        for axes, size in zip(panels, SIZES, strict=True):
            found = {
                metric: [
                    row.value
                    for row in rows
                    if (row.dataset, row.metric) == (dataset, metric)
                    and row.method.startswith(f"{size}-")
                ]
                for metric in (size, LOSS, FITTED_LOSS)
            }
            points = sorted(zip(*found.values(), strict=True))
            x, measured, fitted = zip(*points, strict=True)
            axes.plot(x, measured, "o", label="measured")
            axes.plot(x, fitted, "-", label="power law")
            axes.set(xscale="log", yscale="log", xlabel=size, title=dataset)
            axes.tick_params(axis="x", which="minor", labelbottom=False)  # They would overlap.
            axes.legend()
        panels[0].set_ylabel("validation loss")
        _save(figure, folder / f"{dataset}.png")


def plot_ingestion(rows: Sequence[Row], folder: Path) -> None:
    """Writes ingestion-FORMAT.png: CPU seconds and peak memory against events."""
    for form in dict.fromkeys(row.dataset.split("-")[2] for row in rows):
        of_form = [row for row in rows if row.dataset.endswith(form)]
        figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
        for method in dict.fromkeys(row.method for row in of_form):
            for axes, metric in zip(panels, (CPU_S, PEAK_MB), strict=True):
                of_method = [row for row in of_form if (row.method, row.metric) == (method, metric)]
                points = sorted((events_of(row), row.value) for row in of_method)
                axes.plot(*zip(*points, strict=True), marker=".", label=method)
        labels = ("CPU seconds", "peak memory (MiB)")
        for axes, label in zip(panels, labels, strict=True):
            axes.set(xscale="log", yscale="log", xlabel="events", ylabel=label, title=form)
        panels[0].legend(fontsize=8)
        _save(figure, folder / f"ingestion-{form}.png")


def plot_serving(rows: Sequence[Row], folder: Path) -> None:
    """Writes serving.png: median latency at batch 1 against items, alone and served."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    points: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        items, _, load = row.dataset.partition("-")
        if row.metric == P50_MS and load in SERVING_LOADS:
            label = f"{row.method}, {SERVING_LOADS[load]}"
            points.setdefault(label, []).append((int(items), row.value))
    for label, line in points.items():
        axes.plot(*zip(*sorted(line), strict=True), marker=".", label=label)
    axes.set(xscale="log", yscale="log", xlabel="items", ylabel="median latency (ms)")
    axes.legend(fontsize=8)
    _save(figure, folder / "serving.png")


def events_of(row: Row) -> int:
    """Of the log, which is named zipf-EVENTS-FORMAT."""
    return int(row.dataset.split("-")[1])


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=110)
    plt.close(figure)
