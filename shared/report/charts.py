"""Charts as SVG that is part of a page: its letters are text, its colours those of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

# Colours that stand for a page's variables: no chart draws in them by itself.
_STANDS_FOR = {
    "#010203": "var(--ink)",
    "#010204": "var(--soft)",
    "#010205": "var(--line)",
    "#010301": "var(--torch)",
    "#010302": "var(--flax)",
    "#010303": "var(--keras)",
}
_INK, _SOFT, _LINE = list(_STANDS_FOR)[:3]
_COLOURS: Mapping[str, str] = dict(
    zip(("torch", "flax", "keras"), list(_STANDS_FOR)[3:], strict=True)
)
_DASHES = {"torch": "-", "flax": (0, (6, 3)), "keras": (0, (1.5, 1.5))}
_WIDTHS = {"torch": 3.4, "flax": 2.2, "keras": 1.8}

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "triptych",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": _INK,
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _LINE,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def lines(
    series: Mapping[str, Sequence[float] | np.ndarray],
    *,
    title: str,
    x: str,
    y: str,
    log: bool = False,
) -> str:
    """A line a backend over the steps of a training, drawn so that all can be seen if they agree.

    Args:
        series: Values by backend, one a step, counted from 1; on a log scale 0 is left out.
        title: What the chart says to who cannot see it.
        x: What is counted.
        y: What is shown.
        log: Whether the scale is logarithmic.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 3.4))
        figure.subplots_adjust(left=0.12, right=0.98, top=0.96, bottom=0.15)
        axes = figure.add_subplot()
        for name, values in series.items():
            shown = np.asarray(values, float)
            if log:
                shown = np.where(shown > 0, shown, np.nan)
            axes.plot(
                range(1, len(shown) + 1),
                shown,
                color=_COLOURS[name.split(" ")[0]],
                linestyle=_DASHES[name.split(" ")[0]],
                linewidth=_WIDTHS[name.split(" ")[0]],
                label=name,
            )
        axes.set(xlabel=x, ylabel=y, yscale="log" if log else "linear")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        shown = np.concatenate([line.get_ydata() for line in axes.lines])
        if log and np.isfinite(shown).any():  # whole decades, so that there are powers of ten
            decades = np.log10([np.nanmin(shown), np.nanmax(shown)])
            axes.set_ylim(10.0 ** np.floor(decades[0]), 10.0 ** (np.floor(decades[1]) + 1))
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend()
        return _svg(figure, title)


def bars(
    rows: Sequence[tuple[str, str, Mapping[str, float]]],
    *,
    title: str,
    x: str,
) -> str:
    """A bar for each row: its label, whose colour it has, and its median with its spread.

    Args:
        rows: From top to bottom; a spread is in percent of the median.
        title: What the chart says to who cannot see it.
        x: What is shown.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 0.6 + 0.36 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        for at, (_, backend, rate) in enumerate(reversed(rows)):
            spread = rate["median"] * (rate["spread"] or 0) / 100
            axes.barh(at, rate["median"], color=_COLOURS[backend], height=0.62)
            axes.errorbar(rate["median"], at, xerr=spread, color=_INK, capsize=3, linewidth=1.2)
        axes.set_yticks(range(len(rows)), [label for label, _, _ in reversed(rows)])
        axes.grid(visible=False, axis="y")
        axes.set(xlabel=x)
        return _svg(figure, title)


def _svg(figure: Figure, title: str) -> str:
    """The figure's SVG, without what only a file of its own needs."""
    out = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(out, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, variable in _STANDS_FOR.items():
        text = text.replace(colour, variable)
    prefix = re.sub(r"\W+", "-", title.lower())
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{_escaped(title)}" ', 1)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
