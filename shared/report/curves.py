"""A comparison of trainings as charts, tables and pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from shared.figures import figure
from shared.predict import draw
from shared.report import charts
from shared.report.study import Study
from shared.specs import Spec
from shared.train import examples as look


def training(study: Study) -> dict[str, Any] | None:
    """Charts, tables and pictures of the trainings that were compared."""
    if study.comparison is None:
        return None
    rows: Mapping[str, Any] = study.comparison["rows"]
    histories = {name: row["history"] for name, row in rows.items()}
    losses = {name: history["losses"] for name, history in histories.items()}
    accuracies = {name: history["accuracies"] for name, history in histories.items()}
    return {
        "request": study.comparison["request"],
        "source": study.comparison["source"],
        "machine": study.comparison["machine"],
        "rows": rows,
        "shared": not any(row["peak_memory_mib"] for row in rows.values()),
        "steps": max(map(len, losses.values()), default=0),
        "loss": charts.lines(losses, title=f"{study.spec.name}: loss", x="step", y="loss"),
        "accuracy": charts.lines(
            accuracies, title=f"{study.spec.name}: accuracy", x="step", y="accuracy, %"
        ),
        "difference": _difference(study.spec.name, losses),
        "rates": {name: _rate(history) for name, history in histories.items()},
        "examples": {
            name: _pictures(study.spec, row["examples"])
            for name, row in rows.items()
            if row["examples"]
        },
        "confusions": {
            name: _shares(row["examples"]["confusion"])
            for name, row in rows.items()
            if row["examples"]
        },
    }


def _difference(name: str, losses: Mapping[str, Sequence[float]]) -> dict[str, Any] | None:
    """How far each loss is from the first backend's, step by step."""
    first, *others = losses
    if not others:
        return None
    steps = min(map(len, losses.values()))
    values = {backend: np.array(curve[:steps], float) for backend, curve in losses.items()}
    apart = {
        other: np.abs(values[first] - values[other]) / np.abs(values[first]) for other in others
    }
    chart = charts.lines(
        apart,
        title=f"{name}: difference of the losses from {first}'s",
        x="step",
        y=f"|loss - {first}'s| / {first}'s",
        log=True,
    )
    return {"reference": first, "chart": chart}


def _rate(history: Mapping[str, Any]) -> dict[str, Any]:
    """The median rate of short stretches; that of all steps together is the history's own."""
    rates = history["rates"]
    if not rates:  # one step alone has no steady state
        return {"median": None, "spread": None}
    rate = figure(rates)
    return {"median": rate.median, "spread": rate.spread}


def _shares(confusion: Sequence[Sequence[int]]) -> list[list[tuple[int, float]]]:
    """Counts with their shares of the row."""
    return [[(count, count / max(sum(row), 1)) for count in row] for row in confusion]


def _pictures(spec: Spec, examples: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What there is to look at: a picture each, and what it shows in words."""
    pictures = []
    for wrong in examples["wrong"]:
        pixels = look.picture(wrong["pixels"])
        picture = Image.fromarray(pixels).resize((84, 84), Image.Resampling.NEAREST)
        message = f"a {wrong['label']} taken for a {wrong['predicted']}"
        pictures.append(
            {"caption": message, "note": f"{wrong['confidence']:.0%}", "data": _png(picture)}
        )
    for number, scene in enumerate(examples["scenes"], 1):
        canvas = look.picture(scene["pixels"])[..., None]
        for which, mask in (("expected", scene["mask"]), ("predicted", scene["predicted"])):
            picture = draw.mask_picture(canvas, look.picture(mask))
            pictures.append(
                {"caption": f"canvas {number}, {which}", "note": "", "data": _png(picture)}
            )
    for strip in examples["strips"]:
        columns = spec.network.config["columns_per_step"]
        picture = draw.attention_picture(
            look.picture(strip["pixels"]),
            strip["length"],
            strip["written"],
            np.array(strip["attention"]),
            columns,
        )
        digits, written = ("".join(map(str, strip[key])) for key in ("digits", "written"))
        pictures.append(
            {"caption": f"{digits} read as {written}", "note": "", "data": _png(picture)}
        )
    return pictures


def _png(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
