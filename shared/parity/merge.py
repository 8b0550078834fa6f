"""The shards of a climb merged into what a single climb gives, without any framework.

What each shard should have follows from the specs. What none of the files has is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from shared import formats, machine
from shared.choosing import listed
from shared.errors import ConfigurationError, DataError
from shared.panels import PANELS
from shared.parity import saved, shards, sources
from shared.parity.checks import Check, Outcome, Request, case_checks
from shared.parity.evidence import Asked
from shared.parity.shards import Part, Shard
from shared.specs import SPECS, Case, Spec

Place = tuple[str, str]
"""An architecture and one of its cases; without a case, the sources."""

DIGITS = 12
"""How many digits of a digest are shown."""


@dataclass(frozen=True)
class File:
    """What the climb of a shard wrote."""

    path: Path
    shard: Shard
    asked: Request
    outcome: Outcome


def merge(paths: Sequence[Path]) -> Outcome:
    """What a single climb gives, of files that `triptych parity --shard` wrote.

    Raises:
        DataError: a file cannot be read, is no shard's, or has what is not of its shard; or the
            files are not of one climb, of other versions of a library, or twice of one shard.
    """
    files = sorted(map(read, paths), key=lambda file: file.shard.number)
    for one, other in pairwise(files):
        _check_alike(one, other)
    asked = replace(files[0].asked, shard=None)
    _check_versions(asked.backends, files)
    outcomes = [file.outcome for file in files]
    climb = _Climb(asked, files)
    notes = [*(note for one in outcomes for note in one.notes), *climb.notes()]
    return Outcome(
        checks=[*climb.checks()],
        versions=_first(asked.backends, [one.versions for one in outcomes]),
        skipped=_joined(asked.backends, [one.skipped for one in outcomes]),
        errors=_joined(asked.backends, [one.errors for one in outcomes]),
        device=asked.device,
        precision=asked.precision,
        notes=[*dict.fromkeys(notes)],
        asked=asked,
    )


def read(path: Path) -> File:
    """A file that the climb of a shard wrote.

    Raises:
        DataError: it cannot be read, or is no such file.
    """
    otherwise = "is no shard of a climb, which `triptych parity --shard` writes"
    return formats.read(path, "parity", partial(_file, path), otherwise)


def is_shard(path: Path) -> bool:
    """Whether there is a file that says of itself that it is a shard."""
    try:
        return path.is_file() and bool(json.loads(path.read_text("utf-8"))["asked"]["shard"])
    except formats.UNREADABLE:
        return False


def _file(path: Path, content: Mapping[str, Any]) -> File:
    asked = saved.request(content["asked"]) if content.get("asked") else None
    if asked is None or asked.shard is None:
        raise DataError("it is no shard, but what was climbed without --shard")
    for name in asked.architectures:
        if name not in SPECS:
            raise DataError(f"there is no architecture {name!r} here")
    try:
        shard = Shard.parse(asked.shard)
    except ConfigurationError as error:
        raise DataError(str(error)) from error
    return File(path, shard, asked, saved.outcome(content))


def _check_alike(one: File, other: File) -> None:
    """Raise DataError unless two files are different shards of one climb."""
    both = f"{one.path} and {other.path}"
    if one.shard == other.shard:
        raise DataError(f"{both} are the same shard, {one.shard}: name each shard once")
    if one.shard.count != other.shard.count:
        raise DataError(f"{both} are shards of different climbs: {one.shard} and {other.shard}")
    if one.asked.sources != other.asked.sources:
        digests = [file.asked.sources[:DIGITS] for file in (one, other)]
        raise DataError(
            f"{both} were made by different sources, {listed(digests)} (SHA-256): climb every "
            "shard with one version of Triptych"
        )
    for name in (each.name for each in fields(Request) if each.name != "shard"):
        ours, theirs = getattr(one.asked, name), getattr(other.asked, name)
        if ours != theirs:
            raise DataError(
                f"{both} were asked for different things: {_words(name, ours)}, and "
                f"{_words(name, theirs)}"
            )


def _words(name: str, value: tuple[str, ...] | str | bool) -> str:
    """What was asked for, as a sentence has it: "dtypes float64", "without trainings"."""
    if isinstance(value, bool):
        return f"{'with' if value else 'without'} {name}"
    return f"{name} {value if isinstance(value, str) else ', '.join(value)}"


def _check_versions(backends: Sequence[str], files: Sequence[File]) -> None:
    """Raise DataError where two files ran a backend with other versions of its libraries."""
    for name in backends:
        for one, other in pairwise(file for file in files if name in file.outcome.versions):
            ours, theirs = (file.outcome.versions[name] for file in (one, other))
            if ours != theirs:
                raise DataError(
                    f"{one.path} and {other.path} ran {name} with different libraries: "
                    f"{machine.libraries(ours)}, and {machine.libraries(theirs)}"
                )


def _first(
    backends: Sequence[str], dictionaries: Sequence[Mapping[str, dict[str, str]]]
) -> dict[str, dict[str, str]]:
    """By backend what the first one has that has any."""
    known = {name: value for of in reversed(dictionaries) for name, value in of.items()}
    return {name: known[name] for name in backends if name in known}


def _joined(backends: Sequence[str], dictionaries: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """By backend what all of them say, each sentence once."""
    texts = {
        name: dict.fromkeys(of[name] for of in dictionaries if name in of) for name in backends
    }
    return {name: "; ".join(several) for name, several in texts.items() if several}


class _Climb:
    """What the files have of a climb, and what they should have."""

    def __init__(self, asked: Request, files: Sequence[File]) -> None:
        self.asked = asked
        self.specs = [SPECS[name] for name in dict.fromkeys(asked.architectures)]
        self.count = files[0].shard.count
        self.parts = shards.split(self.specs, self.count)
        self.files = {file.shard.number: file for file in files}
        self.owners = {
            place: number for number, part in enumerate(self.parts, 1) for place in _places(part)
        }
        self.own: dict[tuple[Place, str], list[Check]] = {}
        for file in files:
            for check in file.outcome.checks:
                self._add(file, check)
        climbed = [file.outcome for file in files if file.outcome.checks]
        self.backends = [
            name
            for name in asked.backends
            if not climbed or any(name not in outcome.skipped for outcome in climbed)
        ]

    def _add(self, file: File, check: Check) -> None:
        """Keep a check, which must be of the file's shard."""
        place = (check.architecture, "" if check.rung == "mirror" else check.case)
        if self.owners.get(place) != file.shard.number:
            what = check.case or "a check without a case"
            raise DataError(
                f"{file.path} has {check.architecture}, {what}, which is not of shard {file.shard}"
            )
        self.own.setdefault((place, check.dtype), []).append(check)

    def checks(self) -> Iterator[Check]:
        """Every check, in the order of a single climb."""
        for spec in self.specs:
            yield from self._mirrored(spec)
        for spec, case in shards.cases(self.specs):
            for dtype in self.asked.dtypes:
                yield from self._climbed(spec, case, dtype)

    def notes(self) -> Iterator[str]:
        """Sentences on shards that are absent, and on sources that are not those here."""
        absent = [n for n in range(1, len(self.parts) + 1) if n not in self.files]
        if absent:
            names = listed([f"{number}/{self.count}" for number in absent])
            cases = sum(len(self.parts[number - 1].cases) for number in absent)
            of = len(shards.cases(self.specs))
            yield f"not among the files: shard {names}, with {cases} of {of} cases"
        if self.asked.sources != sources.digest():
            yield "the shards were climbed by other sources than those here"

    def _mirrored(self, spec: Spec) -> list[Check]:
        """What a spec has of the sources."""
        place = (spec.name, "")
        between, why = ", ".join(PANELS), self._why(place)
        missing = Check("mirror", spec.name, "sources", "", between, "missing", detail=why)
        return self.own.get((place, ""), [missing])

    def _climbed(self, spec: Spec, case: Case, dtype: str) -> Iterator[Check]:
        """What a case has in a dtype; of backends that no check counts or compares, what is lost.

        A backend may lack where its shard was climbed, and be on another shard's machine.
        """
        place = (spec.name, case.label)
        own = self.own.get((place, dtype), [])
        present = {check.between for check in own if check.rung in ("counts", "forward")}
        errors = dict.fromkeys(self.backends, self._why(place))
        yield from own
        for check in case_checks(spec, case, dtype, self.backends, {}, errors, Asked()):
            if check.between not in present:
                yield check

    def _why(self, place: Place) -> str:
        """Why there is no check of a place."""
        shard = Shard(self.owners[place], self.count)
        file = self.files.get(shard.number)
        return f"shard {shard} is not among the files" if file is None else f"{file.path} lacks it"


def _places(part: Part) -> list[Place]:
    """Where the checks of a shard are."""
    cases = [(spec.name, case.label) for spec, case in part.cases]
    return [*((spec.name, "") for spec in part.mirrored), *cases]
