"""The folder of pages: templates filled with what was measured, and nothing else.

Everything that comes from a file or a user is escaped by the templates; what is marked safe is made
here, of escaped parts.
"""

from __future__ import annotations

import base64
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from shared import draw, styles
from shared import examples as look
from shared.parity import mirror
from shared.report import chapters, charts, code, graph, ledger, parameters, parity
from shared.report.survey import Survey
from shared.specs import METRICS, PANELS, Spec

ASSETS = "assets"


@dataclass
class Study:
    """Everything about one architecture that a page can show.

    Attributes:
        spec: The architecture.
        surveys: What each backend tells of it.
        comparison: A comparison of trainings, as in the JSON of `triptych compare`, or None.
        checks: Parity checks, as in the JSON of `triptych parity`.
        bench: A benchmark with rows of this architecture, as in the JSON of `triptych bench`.
        gaps: Why a backend was not measured.
    """

    spec: Spec
    surveys: Mapping[str, Survey] = field(default_factory=dict)
    comparison: Mapping[str, Any] | None = None
    checks: Sequence[Mapping[str, Any]] = ()
    bench: Mapping[str, Any] | None = None
    gaps: dict[str, str] = field(default_factory=dict)


@dataclass
class Report:
    """Everything that a folder of pages shows.

    Attributes:
        studies: The architectures.
        ledger: What the libraries' defaults are, as in the JSON of `triptych conventions`, or None.
        pitfalls: The errors that they make, as `shared.parity.pitfalls` tells them, or None.
        guide: By chapter and backend what each of its cells printed, or None.
        machine: What it was measured on.
        made_from: The files that were read.
        failed: Why a backend that is installed gave no answer.
    """

    studies: Sequence[Study]
    ledger: Mapping[str, Any] | None = None
    pitfalls: Mapping[str, Any] | None = None
    guide: Mapping[str, Any] | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    made_from: Sequence[str] = ()
    failed: dict[str, str] = field(default_factory=dict)


def write(folder: Path, report: Report) -> None:
    """Write the pages, and what they need, into a folder; other files in it stay."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_assets(folder / ASSETS)
    pages = Environment(
        loader=PackageLoader("shared.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    pages.filters["thousands"] = lambda value: f"{value:,}"
    pages.filters["shape"] = lambda shape: "\u00d7".join(map(str, shape)) or "1"
    pages.filters["figure"] = _figure
    pages.filters["anchor"] = lambda text: "-".join(text.lower().split())
    pages.globals.update(assets=ASSETS, panels=PANELS, metrics=METRICS)

    def page(name: str, template: str, **context: Any) -> None:
        text = pages.get_template(template).render(**context)
        (folder / f"{name}.html").write_text(text, "utf-8")

    cards = [_card(study) for study in report.studies]
    page("index", "index.html", cards=cards, machine=report.machine, made_from=report.made_from)
    for study in report.studies:
        page(study.spec.name, "architecture.html", **_context(study))
    page(
        "conventions",
        "conventions.html",
        groups=ledger.groups(report.ledger, report.pitfalls),
        same=ledger.same(report.ledger),
        versions=report.ledger["versions"] if report.ledger else {},
    )
    there = {"index", "conventions", "guide", *(study.spec.name for study in report.studies)}
    found = chapters.contexts(report.guide, there)
    page("guide", "guide.html", chapters=found)
    for chapter in found:
        page(chapter["page"], "chapter.html", chapter=chapter)
    chapters.write_notebooks(folder / "notebooks")


def _figure(value: float | None, pattern: str) -> str:
    """A number in words of either kind of pattern; none, or none that is finite, has words too."""
    if value is None:
        return "not known"
    return pattern.format(value) if "{" in pattern else pattern % value


def _card(study: Study) -> dict[str, Any]:
    """What the index says of an architecture."""
    metric = study.spec.task.metrics[0] if study.spec.task else "accuracy"
    rows = study.comparison["rows"] if study.comparison else {}
    bad = [check for check in study.checks if check["status"] not in ("passed", "bounded")]
    verdict = f"{len(bad)} of {len(study.checks):,} checks failed" if bad else ""
    return {
        "spec": study.spec,
        "metric": METRICS[metric],
        "scores": {
            name: row["history"]["epochs"][-1]["test_scores"][metric] for name, row in rows.items()
        },
        "steps": max((len(row["history"]["losses"]) for row in rows.values()), default=0),
        "parity": verdict or (f"{len(study.checks):,} checks passed" if study.checks else ""),
    }


def _write_assets(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for asset in resources.files("shared.report").joinpath(ASSETS).iterdir():
        (folder / asset.name).write_bytes(asset.read_bytes())
    (folder / "code.css").write_text(code.style(), "utf-8")


def _context(study: Study) -> dict[str, Any]:
    spec = study.spec
    rows = parameters.tensors(study.surveys) if study.surveys else []
    drawn = {name: asdict(graph.draw(survey.trace)) for name, survey in study.surveys.items()}
    return {
        "spec": spec,
        "gaps": {name: study.gaps[name] for name in PANELS if name in study.gaps},
        "sources": [_source(file) for file in spec.files],
        "graphs": drawn,
        "graph_json": _json(drawn),
        "tensors": rows,
        "counts": parameters.counts(rows),
        "matrices": parity.matrices(study.checks, list(PANELS), spec.name),
        "mirror": [check for check in study.checks if check["rung"] == "mirror"],
        "training": _training(study),
        "bench": _bench(study),
    }


def _source(file: str) -> dict[str, Any]:
    """An architecture's file in its panels, and what differs in it: topics with their lines."""
    texts = {name: mirror.source(name, file).read_text("utf-8") for name in PANELS}
    marks = {name: styles.lines(text, name) for name, text in texts.items()}
    topics = [
        (topic, {name: marks[name].get(topic.name, []) for name in PANELS})
        for topic in styles.TOPICS
        if any(topic.name in found for found in marks.values())
    ]
    return {"file": file, "rows": code.rows(file), "topics": topics, "marks": _by_line(marks)}


def _by_line(marks: Mapping[str, Mapping[str, Sequence[int]]]) -> dict[str, dict[int, str]]:
    """By backend and line the names of its topics, with spaces between."""
    found: dict[str, dict[int, str]] = {name: {} for name in marks}
    for name, topics in marks.items():
        for topic, numbers in topics.items():
            for number in numbers:
                found[name][number] = f"{found[name].get(number, '')} {topic}".strip()
    return found


def _bench(study: Study) -> dict[str, Any] | None:
    """The rows of a benchmark, and what it was measured on."""
    if study.bench is None:
        return None
    rows = study.bench["rows"]
    sizes = [
        size for size in dict.fromkeys(s for row in rows for s in row["inference"]) if size != "1"
    ]
    return {
        "rows": rows,
        "sizes": sizes,
        "request": study.bench["request"],
        "machine": study.bench["machine"],
        "versions": {row["backend"]: row["versions"] for row in rows},
        "chart": charts.bars(
            [
                (f"{row['backend']} {row['way']}", row["backend"], row["training"])
                for row in rows
                if row["training"]
            ],
            title=f"{study.spec.name}: training speed",
            x=f"{rows[0]['unit']}/s in training" if rows else "",
        ),
    }


def _json(value: Any) -> str:
    """JSON that can stand in a script element: nothing in it can end that."""
    text = json.dumps(value, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _training(study: Study) -> dict[str, Any] | None:
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
    values = {backend: np.array(found[:steps], float) for backend, found in losses.items()}
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
    rates = history["rates"]
    if not rates:  # one step alone has no steady state
        return {"median": None, "spread": None}
    low, high = np.percentile(rates, [25, 75])
    middle = statistics.median(rates)
    spread = 100 * (high - low) / 2 / middle if len(rates) > 1 else None
    return {"median": middle, "spread": spread}


def _shares(confusion: Sequence[Sequence[int]]) -> list[list[tuple[int, float]]]:
    """Counts with their shares of the row."""
    return [[(count, count / max(sum(row), 1)) for count in row] for row in confusion]


def _pictures(spec: Spec, examples: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What there is to look at: a picture each, and what it shows in words."""
    found = []
    for wrong in examples["wrong"]:
        pixels = look.picture(wrong["pixels"])
        picture = Image.fromarray(pixels).resize((84, 84), Image.Resampling.NEAREST)
        said = f"a {wrong['label']} taken for a {wrong['predicted']}"
        found.append({"said": said, "note": f"{wrong['confidence']:.0%}", "data": _png(picture)})
    for number, scene in enumerate(examples["scenes"], 1):
        canvas = look.picture(scene["pixels"])[..., None]
        for which, mask in (("wanted", scene["mask"]), ("predicted", scene["predicted"])):
            picture = draw.mask_picture(canvas, look.picture(mask))
            found.append({"said": f"canvas {number}, {which}", "note": "", "data": _png(picture)})
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
        found.append({"said": f"{digits} read as {written}", "note": "", "data": _png(picture)})
    return found


def _png(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
