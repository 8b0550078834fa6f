"""What a report asks the backends for that needs no training: one process each, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from typing import Any

from shared import machine, registry, strict
from shared.conventions import pitfalls, table
from shared.errors import TriptychError
from shared.panels import PANELS
from shared.report import survey
from shared.report.guide import Chapter
from shared.report.guide import chapters as guide_chapters
from shared.report.guide import run as run_chapter
from shared.report.measuring import Log
from shared.report.recorded import Origin
from shared.report.study import Report, Study
from shared.workers import ALONE, Worker


def ask(report: Report, backends: Sequence[str], guide: bool, log: Log) -> None:
    """Ask every backend for surveys, conventions, pitfalls and what the guide's chapters print.

    What the report has already is not asked for. The chapters that measure time come last, one
    after the other.
    """
    chapters = guide_chapters() if guide and report.guide is None else []
    with ExitStack() as stack:
        asked: dict[str, Asked] = {}
        usable, skipped = registry.usable(backends)
        for name, reason in skipped.items():
            gap(report.studies, name, reason)
        for name in usable:
            new = [study for study in report.studies if name not in study.surveys]
            if new or chapters or report.conventions is None or report.pitfalls is None:
                worker = stack.enter_context(Worker(name, {**ALONE, **table.ON_CPU}, whole=False))
                asked[name] = Asked(
                    worker, new, report.conventions is None, report.pitfalls is None, chapters
                )
        answered: dict[str, Asked] = {}
        for name, one in asked.items():
            try:
                one.wait(log)
                answered[name] = one
            except TriptychError as error:
                gap(report.studies, name, str(error))
                report.failed[name] = str(error)
        if report.conventions is None and answered:
            report.conventions = _conventions(
                {name: one.conventions for name, one in answered.items()}
            )
        if report.pitfalls is None and answered:
            report.pitfalls = _pitfalls({name: one.pitfalls for name, one in answered.items()})
        if chapters:
            report.guide = {
                chapter.name: {name: one.printed(chapter, log) for name, one in answered.items()}
                for chapter in chapters
            }
            report.guide_origin = Origin(
                date=date.today().isoformat(),
                command="triptych report",
                versions={name: one.versions for name, one in answered.items()},
                machine=machine.describe(),
            )


class Asked:
    """A backend that was asked for surveys, for what it takes for granted, and for chapters."""

    def __init__(
        self,
        worker: Worker,
        studies: Sequence[Study],
        conventions: bool,
        examples: bool,
        chapters: Sequence[Chapter],
    ) -> None:
        self.worker, self.studies = worker, studies
        self.surveys = {
            study.spec.name: worker.submit(survey.survey, worker.backend, study.spec.name)
            for study in studies
        }
        self._conventions = (
            worker.submit(table.ask_library, worker.backend) if conventions else None
        )
        self._examples = worker.submit(pitfalls.run, worker.backend) if examples else None
        self._versions = worker.submit(versions, worker.backend) if chapters else None
        self._begun = {
            chapter.name: worker.submit(run_chapter, chapter.name, worker.backend)
            for chapter in chapters
            if not chapter.timed
        }
        self.conventions: Any = None
        self.pitfalls: Any = None
        self.versions: dict[str, str] = {}

    def wait(self, log: Log) -> None:
        """Wait for the answers; raises as `Worker.result` does."""
        name = self.worker.backend
        for study in self.studies:
            log(f"{name}: {study.spec.name}")
            answer = self.worker.result(self.surveys[study.spec.name])
            study.surveys = _ordered({**study.surveys, name: answer})
            study.gaps.pop(name, None)
        log(f"{name}: conventions")
        if self._conventions is not None:
            self.conventions = self.worker.result(self._conventions)
        if self._examples is not None:
            self.pitfalls = self.worker.result(self._examples)
        if self._versions is not None:
            self.versions = self.worker.result(self._versions)

    def printed(self, chapter: Chapter, log: Log) -> list[str | None] | str:
        """What a chapter's cells print; a text is why they do not."""
        name = self.worker.backend
        log(f"{name}: guide, {chapter.title}")
        try:
            if chapter.name in self._begun:
                return self.worker.result(self._begun[chapter.name])
            return self.worker.call(run_chapter, chapter.name, name)
        except TriptychError as error:
            return str(error)


def versions(backend: str) -> dict[str, str]:  # in a worker
    """Of the libraries that a backend computes with."""
    return registry.load(backend).versions()


def gap(studies: Sequence[Study], backend: str, reason: str) -> None:
    """Note why a backend tells nothing of these architectures."""
    for study in studies:
        study.gaps[backend] = reason


def _conventions(answers: Mapping[str, Any]) -> dict[str, Any]:
    """What each library takes for granted, as in a recorded table."""
    conventions = table.gather(answers)
    return {"versions": conventions.versions, "rows": conventions.rows}


def _pitfalls(answers: Mapping[str, Any]) -> dict[str, Any]:
    return strict.finite(pitfalls.gather(answers).to_dict())


def _ordered(surveys: Mapping[str, survey.Survey]) -> dict[str, survey.Survey]:
    return {name: surveys[name] for name in PANELS if name in surveys}
