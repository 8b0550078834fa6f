"""What pages say of results: what was recorded, and apart from it what a report measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from shared import machine
from shared.report.recorded import Origin, Parity, Recorded
from shared.report.recording import STATUSES, shortfall, summary
from shared.report.study import Study
from shared.specs import METRICS


def results(study: Study, recorded: Recorded) -> dict[str, Any]:
    """What a card and a page show of an architecture; None stands for what there is not."""
    name = study.spec.name
    score, parity = recorded.scores.get(name), recorded.parity.get(name)
    return {
        "trained": study.spec.task is not None,
        "recorded": {
            "score": score,
            "metric": METRICS.get(score.metric, score.metric) if score else "",
            "parity": _parity(parity) if parity else None,
        },
        "now": _now(study),
    }


def _now(study: Study) -> dict[str, Any]:
    """What the report itself measured, or read from files."""
    training, parity = _training(study), None
    if study.checks:
        parity = _parity(summary(study.checks, study.origins.get("parity", Origin())))
    return {
        "title": _title(study),
        "surveyed": {backend: one.versions for backend, one in study.surveys.items()},
        "parity": parity,
        "training": training,
        "together": bool(training and parity and training["origin"] == parity["origin"]),
        "bench": study.origins.get("bench", Origin()) if study.bench else None,
    }


def _title(study: Study) -> str:
    """What is measured in this very report is so called."""
    has = {"comparison": study.comparison, "parity": study.checks, "bench": study.bench}
    origins = [study.origins.get(kind, Origin()) for kind, value in has.items() if value]
    return "Read from files" if origins and all(one.file for one in origins) else "Measured now"


def _parity(parity: Parity) -> dict[str, Any]:
    every = sum((Counter(counts) for counts in parity.counts.values()), Counter[str]())
    return {
        "text": counted(every),
        "counts": {dtype: counted(counts) for dtype, counts in parity.counts.items()},
        "bounded": every["bounded"],
        "forward": parity.forward,
        "origin": parity.origin,
    }


def counted(counts: Mapping[str, int]) -> str:
    """How many checks there are, and how they ended."""
    total = sum(counts.values())
    checks = "1 check" if total == 1 else f"{total:,} checks"
    if counts.get("passed") == total:
        return f"{checks} passed"
    parts = [f"{counts[status]:,} {status}" for status in STATUSES if counts.get(status)]
    return f"{checks}: {', '.join(parts)}"


def _training(study: Study) -> dict[str, Any] | None:
    """A training that was compared: what it reached, or its first steps alone, which reach none."""
    comparison, task = study.comparison, study.spec.task
    if comparison is None or task is None:
        return None
    request, rows = comparison["request"], comparison["rows"]
    metric, epochs = task.metrics[0], request["settings"]["epochs"]
    origin = study.origins.get("comparison", Origin())
    short = request.get("examples") is not None
    final = "" if shortfall(study.spec, request) else "final "
    after = f"{epochs} {'epoch' if epochs == 1 else 'epochs'}"
    return {
        "short": short,
        "title": "training" if short else f"{final}{METRICS[metric]} after {after}",
        "steps": max((len(row["history"]["losses"]) for row in rows.values()), default=0),
        "dropout": request["settings"]["dropout"],
        "percent": {
            name: row["history"]["epochs"][-1]["test_scores"][metric] for name, row in rows.items()
        },
        "origin": Origin(
            date=origin.date,
            versions={name: row["versions"] for name, row in rows.items()},
            machine=comparison["machine"],
            file=origin.file,
        ),
    }


def disturbances(study: Study) -> dict[str, str]:
    """What the command warns of, where other programs were at work: by what was measured then."""
    measured = {"benchmark": study.bench, "training": study.comparison}
    return {
        name: sentence
        for name, value in measured.items()
        if value
        for sentence in machine.disturbance(value.get("foreign_load"))
    }


def libraries(versions: Mapping[str, Mapping[str, str]]) -> str:
    """Every library with its version, those of a backend together."""
    return "; ".join(machine.libraries(of) for of in versions.values())


def main_libraries(versions: Mapping[str, Mapping[str, str]]) -> str:
    """The library that each backend is called after, with its version."""
    return ", ".join(
        f"{backend} {of[backend]}" for backend, of in versions.items() if backend in of
    )


def described(machine: Mapping[str, Any]) -> str:
    """A machine as `shared.machine` describes it, in words."""
    before = {"processor": "", "cpus": "", "system": "", "python": "Python "}
    after = {"cpus": " CPU" if machine.get("cpus") == 1 else " CPUs"}
    keys = [key for key in dict.fromkeys([*before, *machine]) if machine.get(key) is not None]
    return ", ".join(
        f"{before.get(key, f'{key} ')}{machine[key]}{after.get(key, '')}" for key in keys
    )
