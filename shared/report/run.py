"""A report from what is measured now, and from what was saved before.

Every architecture of the catalogue has a page: each backend is asked for its tensors and its run.
For those that the report is about, a short training without dropout is compared, and the parity
ladder is climbed in float64 as far as its rungs need no trainings. What a file of `compare`,
`parity`, `record`, `bench`, `conventions` or an earlier report holds is not measured again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import UndefinedError

from shared import formats, machine, strict
from shared.errors import DataError
from shared.report import asked, measuring, pages, recorded
from shared.report.files import Saved, read
from shared.report.measuring import Log
from shared.report.recorded import Origin
from shared.report.study import Report, Study
from shared.specs import SPECS, Spec

__all__ = ["MEASURED", "Saved", "blaming_files", "make", "read", "to_dict", "write"]

MEASURED = "report.json"
"""The file in the folder that has what was measured."""


def make(
    specs: Sequence[Spec],
    backends: Sequence[str],
    saved: Saved,
    *,
    seed: int = 0,
    guide: bool = True,
    log: Log = lambda _: None,
) -> Report:
    """Everything about these architectures that was not saved is measured.

    All others are surveyed. A backend that is not installed, or fails, leaves a gap; the report
    says why.

    Args:
        specs: The architectures.
        backends: Which backends to ask.
        saved: What was read from files.
        seed: Of the trainings.
        guide: Whether to run the chapters of the guide.
        log: Is told what is being done.
    """
    names = [spec.name for spec in specs]
    studies = [_study(spec, saved, spec.name in names) for spec in SPECS.values()]
    report = Report(studies, machine=machine.describe(), made_from=[*saved.files])
    report.recorded = recorded.read()
    report.conventions, report.pitfalls = saved.conventions, saved.pitfalls
    report.guide, report.guide_origin = saved.guide, saved.guide_origin
    asked.ask(report, backends, guide, log)
    measuring.train(report, backends, seed, log)
    measuring.climb(report, backends, log)
    return report


def _study(spec: Spec, saved: Saved, is_asked: bool) -> Study:
    before = saved.studies.get(spec.name) or Study(spec)
    origins = {**before.origins, **saved.origins.get(spec.name, {})}
    study = replace(before, asked=is_asked, gaps={**before.gaps}, origins=origins)
    study.comparison = saved.comparisons.get(spec.name, before.comparison)
    checks = [check for check in saved.checks if check["architecture"] == spec.name]
    study.checks = checks or before.checks
    study.bench = saved.benches.get(spec.name, before.bench)
    if study.comparison:  # one that was measured by the verb that now shows it
        study.origins.setdefault("comparison", Origin(date=date.today().isoformat()))
    return study


def to_dict(report: Report) -> dict[str, Any]:
    """What was measured, as plain dictionaries for JSON: `read` takes it again."""
    studies = {
        study.spec.name: {
            "asked": study.asked,
            "surveys": {name: asdict(one) for name, one in study.surveys.items()},
            "comparison": study.comparison,
            "checks": study.checks,
            "bench": study.bench,
            "gaps": study.gaps,
            "origins": {kind: origin.to_dict() for kind, origin in study.origins.items()},
        }
        for study in report.studies
    }
    return {
        **formats.stamp("report"),
        "studies": studies,
        "conventions": report.conventions,
        "pitfalls": report.pitfalls,
        "guide": report.guide,
        "guide_origin": report.guide_origin.to_dict(),
        "machine": report.machine,
        "made_from": report.made_from,
    }


def write(folder: Path, report: Report) -> None:
    """Write the pages, and what was measured.

    Raises:
        DataError: what was read from the files has not all that a page shows.
    """
    folder.mkdir(exist_ok=True)
    strict.write(folder / MEASURED, to_dict(report), indent=None)
    with blaming_files(report):
        pages.write(folder, report)


@contextmanager
def blaming_files(report: Report) -> Iterator[None]:
    """Show or record a report: what fails then is the fault of the files that it was read from.

    Raises:
        DataError: what was read from the files has not all that is shown or recorded.
    """
    try:
        yield
    except _SHORTCOMINGS as error:
        if not report.made_from:
            raise
        raise DataError(
            f"{'; '.join(report.made_from)} cannot be shown: not what this version of triptych "
            f"writes ({type(error).__name__}: {error})"
        ) from error


_SHORTCOMINGS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    UndefinedError,
)
"""What values raise that are not what they should be."""
