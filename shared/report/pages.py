"""The folder of pages: templates filled with what was measured, and nothing else.

Everything that comes from a file or a user is escaped by the templates; what is marked safe is made
here, of escaped parts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from shared.panels import PANELS, source
from shared.report import chapters, charts, code, conventions, curves, graph, parameters, parity
from shared.report.recorded import Recorded
from shared.report.results import (
    described,
    disturbances,
    libraries,
    main_libraries,
    results,
)
from shared.report.study import Report, Study
from shared.show import styles
from shared.specs import METRICS

ASSETS = "assets"


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
    pages.filters.update(libraries=libraries, main_libraries=main_libraries, described=described)
    pages.globals.update(assets=ASSETS, panels=PANELS, metrics=METRICS)

    def page(name: str, template: str, **context: Any) -> None:
        text = pages.get_template(template).render(**context)
        (folder / f"{name}.html").write_text(text, "utf-8")

    cards: list[dict[str, Any]] = [
        {
            "spec": study.spec,
            "results": results(study, report.recorded),
            "disturbances": disturbances(study),
        }
        for study in report.studies
    ]
    page(
        "index",
        "index.html",
        cards=cards,
        bounded=any(_bounded(card["results"]) for card in cards),
        machine=report.machine,
        made_from=report.made_from,
    )
    for study in report.studies:
        page(study.spec.name, "architecture.html", **_context(study, report.recorded))
    page(
        "conventions",
        "conventions.html",
        groups=conventions.groups(report.conventions, report.pitfalls),
        same=conventions.same(report.conventions),
        versions=report.conventions["versions"] if report.conventions else {},
    )
    page_names = {"index", "conventions", "guide", *(study.spec.name for study in report.studies)}
    chapter_pages = chapters.contexts(report, page_names)
    page("guide", "guide.html", chapters=chapter_pages)
    for chapter in chapter_pages:
        page(chapter["page"], "chapter.html", chapter=chapter)
    chapters.write_notebooks(folder / "notebooks", report)


def _bounded(shown: Mapping[str, Any]) -> bool:
    """Whether a card has checks that are bounded: a word that has to be explained."""
    parities = (shown[side]["parity"] for side in ("recorded", "now"))
    return any(parity["bounded"] for parity in parities if parity)


def _figure(value: float | None, pattern: str) -> str:
    """A number in words of either kind of pattern; none, or none that is finite, has words too."""
    if value is None:
        return "not known"
    return pattern.format(value) if "{" in pattern else pattern % value


def _write_assets(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for asset in resources.files("shared.report").joinpath(ASSETS).iterdir():
        (folder / asset.name).write_bytes(asset.read_bytes())
    (folder / "code.css").write_text(code.style(), "utf-8")


def _context(study: Study, recorded: Recorded) -> dict[str, Any]:
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
        "results": results(study, recorded),
        "training": curves.training(study),
        "disturbances": disturbances(study),
        "bench": _bench(study),
    }


def _source(file: str) -> dict[str, Any]:
    """An architecture's file in its panels, and what differs in it: topics with their lines."""
    texts = {name: source(name, file).read_text("utf-8") for name in PANELS}
    marks = styles.lines_of_panels(texts)
    topics = [
        (topic, {name: marks[name].get(topic.name, []) for name in PANELS})
        for topic in styles.TOPICS
        if any(topic.name in by_topic for by_topic in marks.values())
    ]
    return {"file": file, "rows": code.rows(file), "topics": topics, "marks": _by_line(marks)}


def _by_line(marks: Mapping[str, Mapping[str, Sequence[int]]]) -> dict[str, dict[int, str]]:
    """By backend and line the names of its topics, with spaces between."""
    by_line: dict[str, dict[int, str]] = {name: {} for name in marks}
    for name, topics in marks.items():
        for topic, numbers in topics.items():
            for number in numbers:
                by_line[name][number] = f"{by_line[name].get(number, '')} {topic}".strip()
    return by_line


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
                (f"{row['backend']} {row['variant']}", row["backend"], row["training"])
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
