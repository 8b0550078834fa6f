"""A climb that finds the evidence of the last one, and one that does not."""

from pathlib import Path
from typing import Any

import pytest

from shared import caches
from shared.parity import ladder, sources
from shared.parity.checks import Outcome
from shared.specs import SPECS
from shared.workers import Worker
from tests.flavours import lacking

NEEDED = ("torch", "flax")


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The backends of which a worker is started."""
    for backend in NEEDED:
        if reason := lacking(backend):
            pytest.skip(reason)
    monkeypatch.setenv(caches.EVIDENCE, str(tmp_path / "kept"))
    names: list[str] = []

    class Seen(Worker):
        def __init__(self, backend: str, *rest: Any, **options: Any) -> None:
            names.append(backend)
            super().__init__(backend, *rest, **options)

    monkeypatch.setattr(ladder, "Worker", Seen)
    return names


def climbed(*, keeps: bool = True) -> Outcome:
    outcome = Outcome()
    spec = SPECS["basic_net"]
    options: Any = {"backends": NEEDED, "trainings": False, "variants": False, "keeps": keeps}
    for _ in ladder.climbing(outcome, [(spec, spec.more_cases[0])], ["float64"], **options):
        pass
    assert outcome.proved
    return outcome


def test_a_climb_starts_the_workers_of_what_changed(
    started: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = climbed()
    assert started == ["torch", "flax"]
    assert first.notes == []
    started.clear()
    again = climbed()
    assert started == []
    assert again.checks == first.checks
    assert again.versions == first.versions
    assert "2 of 2 pieces of evidence" in again.notes[0]
    original, copy = sources.files, tmp_path / "copy"
    copy.write_text("# another network\n")

    def files(package: str) -> dict[str, Path]:
        return original(package) | ({"flax_impl/mlp.py": copy} if package == "flax_impl" else {})

    monkeypatch.setattr(sources, "files", files)
    changed = climbed()
    assert started == ["flax"]
    assert changed.checks == first.checks
    assert "1 of 2 pieces of evidence" in changed.notes[0]


def test_a_fresh_climb_reads_and_keeps_nothing(started: list[str], tmp_path: Path) -> None:
    assert climbed(keeps=False).notes == []
    assert not (tmp_path / "kept").exists()
    climbed()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").iterdir()}
    started.clear()
    assert climbed(keeps=False).notes == []
    assert started == ["torch", "flax"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").iterdir()} == before


def test_evidence_that_cannot_be_read_is_made_anew(started: list[str], tmp_path: Path) -> None:
    first = climbed()
    for path in (tmp_path / "kept").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    started.clear()
    assert climbed().checks == first.checks
    assert sorted(started) == ["flax", "torch"]
