"""Recorded evidence held against each other, on a machine that has no framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

from shared.differences import TOLERANCES, unequal
from shared.errors import EvidenceError
from shared.parity import collect, combinations, evidence, recipes
from shared.parity.checks import Outcome, case_checks
from shared.parity.evidence import Asked, Evidence
from shared.specs import SPECS, Case, Spec


def compare_files(paths: Sequence[Path], dtypes: Sequence[str] = ("float64", "float32")) -> Outcome:
    """Hold recorded evidence against each other, without any framework, in these dtypes.

    Raises:
        EvidenceError: a file cannot be read, or the files are not of one architecture.
    """
    read = [evidence.read(path) for path in paths]
    names = [one.architecture for one in read]
    if len(set(names)) > 1:
        pairs = ", ".join(f"{path.name} of {name}" for path, name in zip(paths, names, strict=True))
        raise EvidenceError(f"the files are not of one architecture: {pairs}")
    spec = SPECS.get(names[0])
    if spec is None:
        raise EvidenceError(f"there is no architecture {names[0]!r} here to hold the files against")
    labels = _labels(read)
    outcome = Outcome(
        versions={label: dict(one.versions) for label, one in zip(labels, read, strict=True)},
        device=", ".join(dict.fromkeys(one.device for one in read)),
        precision=", ".join(dict.fromkeys(one.precision for one in read)),
        notes=["not compared from files: the sources (mirror)"],
    )
    _check_runs(read, paths)
    for case in spec.cases:
        cases = {
            label: one.cases[case.label]
            for label, one in zip(labels, read, strict=True)
            if case.label in one.cases
        }
        problem = _mismatch(case, read, labels)
        if problem:
            raise EvidenceError(problem)
        asked = _asked(spec, case, [one.asked for one in cases.values()], outcome.notes)
        for dtype in dtypes:
            if all(dtype in one.arrays for one in cases.values()):
                outcome.checks += case_checks(spec, case, dtype, labels, cases, {}, asked)
            elif any(dtype in one.arrays for one in cases.values()):
                lacking = [label for label, one in cases.items() if dtype not in one.arrays]
                note = f"not compared in {dtype}, which {', '.join(lacking)} did not record"
                if note not in outcome.notes:
                    outcome.notes.append(note)
    if not outcome.checks:
        raise EvidenceError(
            f"the files do not all have {' or '.join(dtypes)}; record all with the same --dtype"
        )
    return outcome


def _check_runs(read: Sequence[Evidence], paths: Sequence[Path]) -> None:
    """Raise EvidenceError where two files are of one run: they can only agree."""
    seen: dict[str, Path] = {}
    for one, path in zip(read, paths, strict=True):
        if one.run in seen:
            raise EvidenceError(
                f"{seen[one.run]} and {path} are the same evidence, of one run of {one.backend}; "
                "hold it against another run's, or another backend's"
            )
        seen[one.run] = path


def _asked(spec: Spec, case: Case, all_asked: Sequence[Asked], notes: list[str]) -> Asked:
    """What evidence of a case must have, by the spec; trainings if all files have them alike.

    A file cannot ask for less by itself: only trainings can be left out of one.
    """
    whole = collect.plan(spec, case, TOLERANCES, trainings=False).asked
    common = reduce(Asked.common, all_asked)
    whole = replace(whole, methods=common.methods)
    parts: dict[str, set[tuple[Any, ...]]] = {
        "trainings (optimizers, teacher-forced, resume)": {
            (one.recipes, one.steps, one.further) for one in all_asked
        },
        "methods apart from a dtype": {one.methods for one in all_asked},
    }
    for part, kinds in parts.items():
        note = f"not compared, for not all files have it alike: {part}"
        if len(kinds) > 1 and note not in notes:
            notes.append(note)
    if not any(one.methods for one in all_asked):
        whole = replace(whole, methods=("float64", "float32"))
    if not all(one.recipes for one in all_asked) or case != recipes.trained_case(spec):
        return whole
    return replace(
        whole,
        recipes=recipes.of(spec),
        steps=common.steps,
        further=common.further or recipes.FURTHER,
        combinations=combinations.of(spec),
    )


def _labels(read: Sequence[Evidence]) -> list[str]:
    """A name for each file: its backend, with a number where two are of one."""
    labels: list[str] = []
    for one in read:
        again = sum(label.split("#")[0] == one.backend for label in labels)
        labels.append(f"{one.backend}#{again + 1}" if again else one.backend)
    return labels


def _mismatch(case: Case, read: Sequence[Evidence], labels: Sequence[str]) -> str | None:
    """Why the files cannot be compared on a case, if they cannot."""
    for label, one in zip(labels, read, strict=True):
        if case.label not in one.cases:
            return f"the evidence of {label} lacks the case {case.label!r}; record it again"
        if one.networks[case.label] != case.network.plain_config():
            return (
                f"the evidence of {label} is of another {case.network.cls}: it has the arguments "
                f"{one.networks[case.label]}, and this version {case.network.plain_config()}"
            )
    first = read[0].cases[case.label]
    for label, one in zip(labels[1:], read[1:], strict=True):
        other = one.cases[case.label]
        for dtype in set(first.arrays) & set(other.arrays):
            for rung in ("inputs", "targets"):
                sides = first.under(dtype, rung), other.under(dtype, rung)
                if unequal(*sides):
                    return (
                        f"the evidence of {labels[0]} and of {label} was computed from other "
                        f"{rung} for {case.label!r}; record both with one version of Triptych"
                    )
    return None
