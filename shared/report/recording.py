"""What of a report is worth to be recorded: whole trainings, whole ladders, chapters that ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

from shared.data import files, tasks
from shared.report.guide import names
from shared.report.recorded import Origin, Parity, Printed, Recorded, Score
from shared.report.study import Report, Study
from shared.specs import SPECS, Spec

DATA = ("sample", "mnist")
"""What a score may be of: both are MNIST's digits."""

STATUSES = ("passed", "bounded", "failed", "missing")
SOURCES = "sources"
"""What the checks are counted under that have no dtype."""

Value = TypeVar("Value")
Check = Mapping[str, Any]  # as in the JSON of `triptych parity`


def updated(before: Recorded, report: Report) -> tuple[Recorded, list[str]]:
    """The recorded figures with what a report has in place of what was there.

    Architectures and chapters that there are no more are left out.

    Returns:
        What is to be written; and sentences: what was taken, and why some of what was read from
        files, and of the guide, was not.
    """
    scores, lines = _taken(report.studies, before.scores, score, "comparison")
    parities, more = _taken(report.studies, before.parity, parity, "parity")
    chapters = printed(report)
    guide = {name: {**before.guide.get(name, {}), **chapters.get(name, {})} for name in names()}
    parts = [
        *([f"the scores of {', '.join(scores)}"] if scores else ()),
        *([f"the parity of {', '.join(parities)}"] if parities else ()),
        *([f"what these chapters print: {', '.join(chapters)}"] if chapters else ()),
    ]
    failed = [
        f"{name} is not recorded in {backend}: {reason}"
        for name, by_backend in (report.guide or {}).items()
        for backend, reason in by_backend.items()
        if isinstance(reason, str)
    ]
    recorded = Recorded(
        _in_order({**before.scores, **scores}),
        _in_order({**before.parity, **parities}),
        {name: by_backend for name, by_backend in guide.items() if by_backend},
    )
    return recorded, [f"recorded: {'; '.join(parts) or 'nothing'}", *lines, *more, *failed]


def _in_order(values: Mapping[str, Value]) -> dict[str, Value]:
    """What there is of the catalogue, in its order."""
    return {name: values[name] for name in SPECS if name in values}


def _taken(
    studies: Iterable[Study],
    before: Mapping[str, Any],
    take: Callable[[Study, Any], Any],
    kind: str,
) -> tuple[dict[str, Any], list[str]]:
    """What can be recorded, by architecture; and why what came from files cannot."""
    taken, lines = {}, []
    for study in studies:
        name = study.spec.name
        one = take(study, before.get(name))
        if not isinstance(one, str):
            taken[name] = one
        elif one and study.origins.get(kind, Origin()).file:
            lines.append(f"the {kind} of {name} is not recorded: {one}")
    return taken, lines


def score(study: Study, before: Score | None = None) -> Score | str:
    """The final score, or why the study has none; empty where nothing was trained."""
    comparison, task = study.comparison, study.spec.task
    if comparison is None or task is None:
        return ""
    request, rows = comparison["request"], comparison["rows"]
    if reason := shortfall(study.spec, request):
        return reason
    if not comparison.get("passed", True):
        return "a backend failed in it, or the first forward passes do not agree"
    if reason := _lacks(rows, before):
        return reason
    metric = task.metrics[0]
    percent = {
        name: row["history"]["epochs"][-1]["test_scores"][metric] for name, row in rows.items()
    }
    origin = Origin(
        date=study.origins.get("comparison", Origin()).date,
        command=compare_command(study.spec, request),
        versions={name: row["versions"] for name, row in rows.items()},
        machine=comparison["machine"],
    )
    return Score(metric, percent, origin)


def shortfall(spec: Spec, request: Mapping[str, Any]) -> str:
    """What a training lacks for a final score: more than the default one may be; empty if nothing.

    Args:
        spec: The architecture.
        request: As in the JSON of `triptych compare`.
    """
    if request.get("examples") is not None:
        return f"it has the first {request['examples']:,} examples alone"
    settings, default = request["settings"], asdict(spec.settings)
    other = [key for key in default if key != "epochs" and settings[key] != default[key]]
    if other:
        return f"its settings are not the default ones: {', '.join(other)}"
    if request["data"] not in DATA:
        return f"it is of {request['data']}"
    if request.get("dtype", "float32") != "float32":
        return f"it is in {request['dtype']}"
    task = spec.require_task()
    seen = settings["epochs"] * tasks.examples(task, files.COUNTS[request["data"]][0])
    whole = spec.settings.epochs * tasks.examples(task, files.COUNTS["sample"][0])
    return f"it sees {seen:,} examples, and the default one {whole:,}" if seen < whole else ""


def compare_command(spec: Spec, request: Mapping[str, Any]) -> str:
    """What a user types for a training that is as long as the default one, or longer."""
    epochs = request["settings"]["epochs"]
    options = {
        "--data": request["data"] if request["data"] != "sample" else None,
        "--epochs": epochs if epochs != spec.settings.epochs else None,
        "--seed": request["seed"] or None,
        "--variant": variant if (variant := request.get("variant", "tuned")) != "tuned" else None,
        "--device": request["device"] if request["device"] != "cpu" else None,
    }
    return " ".join(
        ["triptych compare", spec.name, *(f"{key} {of}" for key, of in options.items() if of)]
    )


def parity(study: Study, before: Parity | None = None) -> Parity | str:
    """What came of the whole ladder, or why the study has none; empty where nothing was checked."""
    if not study.checks:
        return ""
    whole = {"mirror", "forward", *(("optimizers",) if study.spec.task else ())}
    lacking = whole - {check["rung"] for check in study.checks}
    if lacking:
        return f"it is a part of the ladder, without {', '.join(sorted(lacking))}"
    one = summary(study.checks, study.origins.get("parity", Origin()))
    missing = {"float64", "float32"} - {*one.counts}
    if missing:
        return f"it is a part of the ladder, without {', '.join(missing)}"
    if reason := _lacks(one.origin.versions, before):
        return reason
    options = one.origin.command.split()[2:]
    command = " ".join(["triptych parity", study.spec.name, *options])
    return replace(one, origin=replace(one.origin, command=command, file=""))


def summary(checks: Sequence[Check], origin: Origin) -> Parity:
    """Checks counted; one that was made twice counts once, as it was made last."""
    keys = ("rung", "case", "dtype", "between", "part")
    once = {tuple(check.get(key, "") for key in keys): check for check in checks}.values()
    counts: dict[str, Counter[str]] = {}
    forward: dict[str, float] = {}
    for check in once:
        dtype = check["dtype"] or SOURCES
        counts.setdefault(dtype, Counter(dict.fromkeys(STATUSES, 0)))[check["status"]] += 1
        if check["rung"] == "forward" and check["difference"] is not None:
            forward[dtype] = max(forward.get(dtype, 0.0), check["difference"])
    return Parity({dtype: dict(of) for dtype, of in counts.items()}, forward, origin)


def _lacks(backends: Iterable[str], before: Score | Parity | None) -> str:
    """Which backends are recorded and would be lost."""
    lost = {*(before.origin.versions if before else ())} - {*backends}
    return f"it lacks {', '.join(sorted(lost))}, and what is recorded has them" if lost else ""


def printed(report: Report) -> dict[str, dict[str, Printed]]:
    """By chapter and backend what was printed, where a chapter ran to its end."""
    origin = replace(report.guide_origin, file="")
    chapters = {
        chapter: {
            name: Printed(cells, replace(origin, versions=_only(origin.versions, name)))
            for name, cells in by_backend.items()
            if not isinstance(cells, str)
        }
        for chapter, by_backend in (report.guide or {}).items()
    }
    return {chapter: by_backend for chapter, by_backend in chapters.items() if by_backend}


def _only(versions: Mapping[str, Mapping[str, str]], backend: str) -> dict[str, Any]:
    return {backend: versions[backend]} if backend in versions else {}
