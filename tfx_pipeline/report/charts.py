"""Charts as inline SVG: no script, no network, colours from the page's style sheet.

Every chart is as wide as a phone; the page puts several in a row where there is space.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from tfx_pipeline.results import Figure

# Stand-ins in matplotlib for the style sheet's variables, which differ in light and dark.
INK, GRID, ACCENT, GOOD, BAD = "#101010", "#202020", "#303030", "#404040", "#505050"
VARIABLES = {INK: "--soft", GRID: "--line", ACCENT: "--accent", GOOD: "--good", BAD: "--bad"}
WIDTH, HEIGHT = 4.6, 2.4  # inches, of 72 units of the page
LEAST_RANGE = 1e-3
LONGEST_NAME = 36  # characters, about half of the width
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


class Point(NamedTuple):
    """A run's value of a metric; `mark` is 'pushed', 'blessed' or 'refused'."""

    run: int
    figure: Figure
    mark: str


class Row(NamedTuple):
    """A slice's value; `mark` is 'better', 'worse' or 'same' as the last blessed model's."""

    name: str
    figure: Figure
    mark: str


def trend(points: Sequence[Point], description: str) -> Markup:
    """A metric run over run, with intervals; filled marks are blessed, crosses are not."""
    canvas, axes = _axes(HEIGHT)
    axes.plot([p.run for p in points], [p.figure.value for p in points], color=GRID, zorder=1)
    for point in points:
        colour = BAD if point.mark == "refused" else ACCENT
        _interval(axes, point.run, point.figure, colour, is_vertical=True)
        axes.plot(
            point.run,
            point.figure.value,
            marker={"pushed": "D", "blessed": "o", "refused": "X"}[point.mark],
            markersize=6,
            color=colour,
        )
    low, high = axes.get_ylim()
    if high - low < LEAST_RANGE:  # noise in the last digits of one value
        axes.set_ylim(low - LEAST_RANGE, high + LEAST_RANGE)
    _whole_numbers(axes, [p.run for p in points])
    axes.set_xlabel("run")
    return _svg(canvas, description)


def ranked(rows: Sequence[Row], overall: float, description: str) -> Markup:
    """Slices from best to worst, with intervals, beside the value over all requests."""
    canvas, axes = _axes(0.7 + 0.27 * len(rows))
    axes.axvline(overall, color=INK, linewidth=1, linestyle=":")
    marks = {"better": ("^", GOOD), "worse": ("v", BAD), "same": ("o", ACCENT)}
    for place, row in enumerate(rows):
        marker, colour = marks[row.mark]
        _interval(axes, place, row.figure, colour, is_vertical=False)
        axes.plot(row.figure.value, place, marker=marker, markersize=6, color=colour)
    names = [n if len(n) <= LONGEST_NAME else f"{n[: LONGEST_NAME - 1]}…" for n, _, _ in rows]
    axes.set_yticks(range(len(rows)), names, parse_math=False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    return _svg(canvas, description)


def curves(lines: Mapping[int, Sequence[float]], description: str) -> Markup:
    """A value an epoch for each run; the last run stands out, the others are behind it."""
    canvas, axes = _axes(HEIGHT)
    last = max(lines)
    for run, values in sorted(lines.items()):
        epochs = range(1, len(values) + 1)
        colour = ACCENT if run == last else GRID
        axes.plot(epochs, values, color=colour, marker="o", markersize=3, linewidth=1.6)
        axes.annotate(
            f"run {run}", (len(values), values[-1]), (4, 0), textcoords="offset points",
            color=colour if run == last else INK, va="center",
        )  # fmt: skip
    _whole_numbers(axes, range(1, max(map(len, lines.values())) + 1), space=0.2)
    axes.set_xlabel("epoch")
    return _svg(canvas, description)


def threshold(values: Mapping[int, float], limit: float, description: str) -> Markup:
    """A value run over run, beside the line that it must not pass."""
    canvas, axes = _axes(HEIGHT)
    axes.axhline(limit, color=BAD, linewidth=1.4, linestyle="--")
    axes.annotate(
        "accepted up to here", (0, limit), (2, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", color=BAD,
    )  # fmt: skip
    axes.plot(list(values), list(values.values()), color=ACCENT, marker="o", markersize=5)
    axes.set_ylim(0, max(limit * 1.25, *values.values()))
    _whole_numbers(axes, list(values))
    axes.set_xlabel("run")
    return _svg(canvas, description)


def _axes(height: float) -> tuple[Canvas, Axes]:
    with mpl.rc_context(STYLE):
        canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
        axes = canvas.add_subplot()
    axes.set_axisbelow(True)
    return canvas, axes


def _interval(axes: Axes, place: float, figure: Figure, colour: str, is_vertical: bool) -> None:
    if figure.low is None or figure.high is None:
        return
    draw = axes.vlines if is_vertical else axes.hlines
    draw(place, figure.low, figure.high, color=colour, linewidth=2, alpha=0.55)


def _whole_numbers(axes: Axes, numbers: Sequence[int], space: float = 0) -> None:
    """Ticks at whole numbers, at most ten; `space`: share of the width to leave at the right."""
    axes.set_xticks(list(numbers)[:: 1 + (len(numbers) - 1) // 10])
    first, last = min(numbers), max(numbers)
    axes.set_xlim(first - 0.5, last + 0.5 + space * (last - first + 1))


def _svg(canvas: Canvas, description: str) -> Markup:
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context(STYLE):
        canvas.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    drawn = buffer.getvalue().partition("<svg")[2]
    for stand_in, variable in VARIABLES.items():
        drawn = drawn.replace(stand_in, f"var({variable})")
    head, _, body = drawn.partition(">")
    head = re.sub(r' (width|height)="[^"]*"', "", head)  # the page decides
    body = re.sub(r" font-family: [^;]*;", "", body)
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # the same in every chart
    return Markup(f'<svg role="img" aria-label="{escape(description)}"{head}>{body}')
