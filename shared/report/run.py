"""A report from what is measured now, and from what was saved before.

For each architecture every backend is asked for its tensors and its run, a short training without
dropout is compared, and the parity ladder is climbed in float64 as far as its rungs need no
trainings. What a file of `compare`, `parity`, `record`, `bench`, `conventions` or an earlier report
holds is not measured again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from jinja2 import UndefinedError

from shared import compare, flops, machine, mnist, registry, strict, tasks, training
from shared.errors import DataError, EvidenceError, TriptychError
from shared.parity import conventions, ladder, pitfalls
from shared.report import pages, survey
from shared.report.guide import Chapter
from shared.report.guide import chapters as guide_chapters
from shared.report.guide import run as run_chapter
from shared.report.pages import Report, Study
from shared.specs import PANELS, SPECS, Spec
from shared.workers import ALONE, Worker, environment

BATCH = 32
"""Examples in a step of a report's trainings."""

STEPS, MOST_OPERATIONS = 40, 1e11
"""How many steps they have, if they have no more floating-point operations than this."""

FEWEST_STEPS = 6
MEASURED = "report.json"
"""The file in the folder that has what was measured."""

Log = Callable[[str], None]


@dataclass
class Saved:
    """What was read from files, as in their JSON: by architecture, and every parity check."""

    studies: dict[str, dict[str, Any]] = field(default_factory=dict)
    comparisons: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    checks: list[Mapping[str, Any]] = field(default_factory=list)
    benches: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    ledger: Mapping[str, Any] | None = None
    pitfalls: Mapping[str, Any] | None = None
    guide: Mapping[str, Any] | None = None
    files: list[str] = field(default_factory=list)

    def architectures(self) -> list[str]:
        """Every architecture that the files tell of, in the catalogue's order."""
        names = {*self.studies, *self.comparisons, *self.benches}
        names |= {check["architecture"] for check in self.checks}
        return [name for name in SPECS if name in names]


def read(paths: Sequence[Path]) -> Saved:
    """Read what other verbs wrote.

    Raises:
        DataError: a file cannot be read, or is none of these.
        EvidenceError: there is evidence of one backend alone, or it does not fit together.
    """
    saved = Saved()
    evidence = [path for path in paths if path.suffix == ".safetensors"]
    for path in paths:
        if path in evidence:
            continue
        try:
            kind = _add(saved, json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} cannot be shown: it must be JSON that `triptych compare`, `parity`, "
                "`bench`, `conventions` or `report` wrote, or evidence that `record` wrote "
                f"({type(error).__name__}: {error})"
            ) from error
        saved.files.append(f"{path.name}, of triptych {kind}")
    if evidence:
        if len(evidence) < 2:
            raise EvidenceError(
                f"evidence is held against other evidence: name two files or more, not "
                f"{evidence[0]} alone"
            )
        saved.checks += strict.finite(ladder.compare_files(evidence).to_dict())["checks"]
        saved.files.append(f"{', '.join(path.name for path in evidence)}, of triptych record")
    return saved


def _add(saved: Saved, value: Mapping[str, Any]) -> str:
    """Add what a file holds; the verb that wrote it."""
    if "studies" in value:
        for name, study in value["studies"].items():
            _known(name)
            saved.studies[name] = study
        for key in ("ledger", "pitfalls", "guide"):
            setattr(saved, key, value[key] or getattr(saved, key))
        return "report"
    if "checks" in value:
        for check in value["checks"]:
            _known(check["architecture"])
        saved.checks += value["checks"]
        return "parity"
    if "peak" in value:
        for name in value["request"]["architectures"]:
            rows = [row for row in value["rows"] if row["architecture"] == name]
            saved.benches[_known(name)] = {**value, "rows": rows}
        return "bench"
    if "versions" in value:
        values = {key: row["values"] for key, row in value["rows"].items()}
        saved.ledger = {"versions": value["versions"], "rows": values}
        return "conventions"
    for row in value["rows"].values():
        if not row["history"]["losses"]:
            raise ValueError("a training has no losses")
    saved.comparisons[_known(value["request"]["architecture"])] = value
    return "compare"


def _known(name: str) -> str:
    """An architecture that is in the catalogue here; a `KeyError` else."""
    return SPECS[name].name


def make(
    specs: Sequence[Spec],
    backends: Sequence[str],
    saved: Saved,
    *,
    seed: int = 0,
    guide: bool = True,
    report: Log = lambda _: None,
) -> Report:
    """Everything about these architectures that was not saved is measured.

    A backend that is not installed, or fails, leaves a gap; the report says why.

    Args:
        specs: The architectures.
        backends: Which backends to ask.
        saved: What was read from files.
        seed: Of the trainings.
        guide: Whether to run the chapters of the guide.
        report: Is told what is being done.
    """
    studies = {spec.name: _study(spec, saved) for spec in specs}
    made = Report(list(studies.values()), machine=machine.describe(), made_from=[*saved.files])
    made.ledger, made.pitfalls, made.guide = saved.ledger, saved.pitfalls, saved.guide
    _ask(made, backends, guide, report)
    _train(made.studies, backends, seed, report)
    _climb(made.studies, backends, report)
    return made


def _study(spec: Spec, saved: Saved) -> Study:
    before = saved.studies.get(spec.name, {})
    study = Study(spec)
    study.surveys = {
        name: survey.from_dict(value) for name, value in before.get("surveys", {}).items()
    }
    study.comparison = saved.comparisons.get(spec.name, before.get("comparison"))
    study.checks = [check for check in saved.checks if check["architecture"] == spec.name]
    study.checks = study.checks or before.get("checks", [])
    study.bench = saved.benches.get(spec.name, before.get("bench"))
    study.gaps = {**before.get("gaps", {})}
    return study


def to_dict(made: Report) -> dict[str, Any]:
    """What was measured, as plain dictionaries for JSON: `read` takes it again."""
    studies = {
        study.spec.name: {
            "surveys": {name: asdict(found) for name, found in study.surveys.items()},
            "comparison": study.comparison,
            "checks": study.checks,
            "bench": study.bench,
            "gaps": study.gaps,
        }
        for study in made.studies
    }
    return {
        "studies": studies,
        "ledger": made.ledger,
        "pitfalls": made.pitfalls,
        "guide": made.guide,
        "machine": made.machine,
        "made_from": made.made_from,
    }


def write(folder: Path, made: Report) -> None:
    """Write the pages, and what was measured.

    Raises:
        DataError: what was read from the files has not all that a page shows.
    """
    folder.mkdir(exist_ok=True)
    strict.write(folder / MEASURED, to_dict(made), indent=None)
    try:
        pages.write(folder, made)
    except (AttributeError, LookupError, TypeError, ValueError, UndefinedError) as error:
        if not made.made_from:
            raise
        raise DataError(
            f"{'; '.join(made.made_from)} cannot be shown: not what this version of triptych "
            f"writes ({type(error).__name__}: {error})"
        ) from error


def _ask(made: Report, backends: Sequence[str], guide: bool, report: Log) -> None:
    """Ask every backend, in one process each, for what needs no training.

    All are asked at once; the chapters of the guide that measure time come last, one after the
    other.
    """
    chapters = guide_chapters() if guide and made.guide is None else []
    with ExitStack() as stack:
        asked: dict[str, _Asked] = {}
        for name in backends:
            if registry.missing(name):
                _gap(made.studies, name, registry.explain_missing(name))
                continue
            new = [study for study in made.studies if name not in study.surveys]
            if new or chapters or made.ledger is None or made.pitfalls is None:
                worker = stack.enter_context(Worker(name, {**ALONE, **conventions.ON_CPU}))
                asked[name] = _Asked(
                    worker, new, made.ledger is None, made.pitfalls is None, chapters
                )
        answered: dict[str, _Asked] = {}
        for name, one in asked.items():
            try:
                one.wait(report)
                answered[name] = one
            except TriptychError as error:
                _gap(made.studies, name, str(error))
                made.failed[name] = str(error)
        if made.ledger is None and answered:
            made.ledger = _ledger({name: one.ledger for name, one in answered.items()})
        if made.pitfalls is None and answered:
            made.pitfalls = _pitfalls({name: one.pitfalls for name, one in answered.items()})
        if chapters:
            made.guide = {
                chapter.name: {name: one.printed(chapter, report) for name, one in answered.items()}
                for chapter in chapters
            }


class _Asked:
    """A backend that was asked for surveys, and for what it takes for granted."""

    def __init__(
        self,
        worker: Worker,
        studies: Sequence[Study],
        ledger: bool,
        examples: bool,
        chapters: Sequence[Chapter],
    ) -> None:
        self.worker, self.studies = worker, studies
        self.surveys = {
            study.spec.name: worker.submit(survey.survey, worker.backend, study.spec.name)
            for study in studies
        }
        asked = worker.submit(conventions.ask_library, worker.backend) if ledger else None
        run = worker.submit(pitfalls.run, worker.backend) if examples else None
        self._asked, self._run = asked, run
        self._begun = {
            chapter.name: worker.submit(run_chapter, chapter.name, worker.backend)
            for chapter in chapters
            if not chapter.timed
        }
        self.ledger: Any = None
        self.pitfalls: Any = None

    def wait(self, report: Log) -> None:
        """Wait for the answers; raises as `Worker.result` does."""
        name = self.worker.backend
        for study in self.studies:
            report(f"{name}: {study.spec.name}")
            found = self.worker.result(self.surveys[study.spec.name])
            study.surveys = _ordered({**study.surveys, name: found})
            study.gaps.pop(name, None)
        report(f"{name}: conventions")
        if self._asked is not None:
            self.ledger = self.worker.result(self._asked)
        if self._run is not None:
            self.pitfalls = self.worker.result(self._run)

    def printed(self, chapter: Chapter, report: Log) -> list[str | None] | str:
        """What a chapter's cells print; a text is why they do not."""
        name = self.worker.backend
        report(f"{name}: guide, {chapter.title}")
        try:
            if chapter.name in self._begun:
                return self.worker.result(self._begun[chapter.name])
            return self.worker.call(run_chapter, chapter.name, name)
        except TriptychError as error:
            return str(error)


def _ledger(answers: Mapping[str, Any]) -> dict[str, Any]:
    """What each library takes for granted, as in a recorded table."""
    found = conventions.gather(answers)
    return {"versions": found.versions, "rows": found.rows}


def _pitfalls(answers: Mapping[str, Any]) -> dict[str, Any]:
    return strict.finite(pitfalls.gather(answers).to_dict())


def _gap(studies: Sequence[Study], backend: str, reason: str) -> None:
    for study in studies:
        study.gaps[backend] = reason


def _ordered(surveys: Mapping[str, survey.Survey]) -> dict[str, survey.Survey]:
    return {name: surveys[name] for name in PANELS if name in surveys}


def request(spec: Spec, seed: int) -> compare.Request:
    """A training that is short, and has no dropout: as many steps as are soon done."""
    task = spec.require_task()
    operations = BATCH * flops.count(spec.network).training
    steps = max(min(STEPS, int(MOST_OPERATIONS / operations)), FEWEST_STEPS)
    there = tasks.examples(task, mnist.COUNTS["sample"][0])
    settings = replace(spec.settings, epochs=1, batch_size=BATCH, dropout=False)
    training.check_batch(settings, there)
    examples = min(steps * BATCH, there)
    return compare.Request(
        spec.name, "sample", None, settings, seed, "cpu", examples=examples, quiet=True
    )


def _train(studies: Sequence[Study], backends: Sequence[str], seed: int, report: Log) -> None:
    """Compare a training of each architecture that has none.

    One alone has processes of its own, as `compare` has. Several follow each other in one process
    a backend: to start and to import would take longer than to train.
    """
    rest = [study for study in studies if study.comparison is None and study.spec.task is not None]
    usable = [name for name in backends if not registry.missing(name)]
    with ExitStack() as stack:
        running = None
        if len(rest) > 1:
            running = {
                name: stack.enter_context(Worker(name, environment("tuned"))) for name in usable
            }
            for worker in running.values():  # none imports while another one trains
                with suppress(TriptychError):  # which the training says again
                    worker.wait_until_ready()
        for study in rest:
            study.comparison = _compared(study, backends, seed, report, running)


def _compared(
    study: Study,
    backends: Sequence[str],
    seed: int,
    report: Log,
    running: Mapping[str, Worker] | None,
) -> Mapping[str, Any] | None:
    spec = study.spec

    def told(text: str) -> None:
        report(f"training {spec.name}, {text.partition(':')[0]}")

    try:
        wanted = request(spec, seed)
        found = compare.compare(spec, wanted, "the embedded sample", backends, told, running)
    except TriptychError as error:
        for name in backends:
            study.gaps.setdefault(name, str(error))
        return None
    study.gaps.update({**found.skipped, **found.errors})
    return strict.finite(found.to_dict())


def _climb(studies: Sequence[Study], backends: Sequence[str], report: Log) -> None:
    """Make the checks of those architectures that have none."""
    rest = {study.spec.name: study for study in studies if not study.checks}
    usable = [name for name in backends if not registry.missing(name)]
    if not rest or not usable:
        return
    outcome = ladder.climb(
        [study.spec for study in rest.values()],
        ["float64"],
        backends=usable,
        trainings=False,
        ways=False,
        report=lambda text: report(f"parity: {text}"),
    )
    for check in strict.finite(outcome.to_dict())["checks"]:
        study = rest[check["architecture"]]
        study.checks = [*study.checks, check]
