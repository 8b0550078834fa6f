"""What a report reads: JSON of other verbs and of earlier reports, and evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from shared import formats, strict
from shared.errors import DataError, EvidenceError
from shared.parity.files import compare_files
from shared.report import survey
from shared.report.recorded import Origin
from shared.report.study import Study
from shared.specs import SPECS


@dataclass
class Saved:
    """What was read from files, as in their JSON: by architecture, and every parity check.

    `studies` are those of earlier reports. `origins` says by architecture where its "comparison"
    and its "parity" come from, and which file has its "bench"; a report's studies have origins of
    their own.
    """

    studies: dict[str, Study] = field(default_factory=dict)
    comparisons: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    checks: list[Mapping[str, Any]] = field(default_factory=list)
    benches: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    origins: dict[str, dict[str, Origin]] = field(default_factory=dict)
    conventions: Mapping[str, Any] | None = None
    pitfalls: Mapping[str, Any] | None = None
    guide: Mapping[str, Any] | None = None
    guide_origin: Origin = field(default_factory=Origin)
    files: list[str] = field(default_factory=list)

    def architectures(self) -> list[str]:
        """Every architecture that the files were made for, in the catalogue's order."""
        asked = {name for name, study in self.studies.items() if study.asked}
        names = {*asked, *self.comparisons, *self.benches}
        names |= {check["architecture"] for check in self.checks}
        return [name for name in SPECS if name in names]


SHOWN = {
    "report": "report",
    "parity": "parity",
    "benchmark": "bench",
    "conventions": "conventions",
    "comparison": "compare",
}
"""The kinds of JSON files that pages are made of, and the verb that writes each."""


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
            kind = _add(saved, json.loads(path.read_text("utf-8")), path)
        except DataError as error:
            raise DataError(f"{path} cannot be shown: {error}") from error
        except OSError as error:
            raise DataError(f"{path} cannot be shown: {formats.reason(error)}") from error
        except formats.UNREADABLE as error:
            raise DataError(
                f"{path} cannot be shown: it must be JSON that `triptych compare`, `parity`, "
                "`bench`, `conventions` or `report` wrote, or evidence that `record` wrote "
                f"({formats.reason(error)})"
            ) from error
        saved.files.append(f"{path.name}, of triptych {kind}")
    if evidence:
        if len(evidence) < 2:
            raise EvidenceError(
                f"evidence is held against other evidence: name two files or more, not "
                f"{evidence[0]} alone"
            )
        outcome = strict.finite(compare_files(evidence).to_dict())
        names = ", ".join(path.name for path in evidence)
        origin = Origin(max(map(_date, evidence)), versions=outcome["versions"], file=names)
        _add_checks(saved, outcome, origin)
        saved.files.append(f"{names}, of triptych record")
    return saved


def _kind(value: Mapping[str, Any]) -> str:
    """The kind of a file; where it says none, what its keys tell.

    Raises:
        DataError: it is of a kind that no page shows, or of a newer format than is read here.
    """
    kind = formats.kind_of(value)
    if kind in SHOWN:
        formats.check(value, kind)
        return kind
    if "kind" in value:
        raise DataError(f"it is of the kind {value['kind']!r}, which no page shows")
    keys = {"studies": "report", "checks": "parity", "peak": "benchmark", "versions": "conventions"}
    return next((kind for key, kind in keys.items() if key in value), "comparison")


def _add(saved: Saved, content: Mapping[str, Any], path: Path) -> str:
    """Add what a file holds; the verb that wrote it."""
    kind = _kind(content)
    value = content if "kind" in content else formats.modern(content)
    origin = Origin(date=_date(path), file=path.name)
    if kind == "report":
        _add_report(saved, value, origin)
    elif kind == "parity":
        if (asked := value.get("asked")) and asked["shard"]:
            raise DataError(
                f"it is shard {asked['shard']} of a climb; `triptych parity FILE FILE --json` "
                "merges all shards into a file that can be"
            )
        versions, machine = value.get("versions") or {}, value.get("machine") or {}
        command = _parity_command(value)
        _add_checks(
            saved, value, replace(origin, command=command, versions=versions, machine=machine)
        )
    elif kind == "benchmark":
        for name in value["request"]["architectures"]:
            rows = [row for row in value["rows"] if row["architecture"] == name]
            saved.benches[_known(name)] = {**value, "rows": rows}
            saved.origins.setdefault(name, {})["bench"] = origin
    elif kind == "conventions":
        values = {key: row["values"] for key, row in value["rows"].items()}
        saved.conventions = {"versions": value["versions"], "rows": values}
    else:
        name = _known(value["request"]["architecture"])
        saved.comparisons[name] = _comparison(value)
        saved.origins.setdefault(name, {})["comparison"] = origin
    return SHOWN[kind]


def _parity_command(value: Mapping[str, Any]) -> str:
    """What a user types for such checks of the whole catalogue."""
    defaults = {"device": "cpu", "precision": "highest"}
    options = [
        f" --{key} {value[key]}"
        for key, default in defaults.items()
        if value.get(key, default) != default
    ]
    return "triptych parity" + "".join(options)


def _date(path: Path) -> str:
    """The day on which a file was written: files of most kinds do not say it themselves."""
    return date.fromtimestamp(path.stat().st_mtime).isoformat()


def _add_report(saved: Saved, value: Mapping[str, Any], origin: Origin) -> None:
    """Add what an earlier report measured; one that says no dates has the file's."""
    for name, study in value["studies"].items():
        saved.studies[_known(name)] = _study(name, study, origin)
    for key in ("conventions", "pitfalls", "guide"):
        setattr(saved, key, value[key] or getattr(saved, key))
    if value["guide"]:
        known = value.get("guide_origin", {"date": origin.date})
        saved.guide_origin = Origin.from_dict({**known, "file": origin.file})


def _comparison(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A comparison whose trainings all have losses; a `ValueError` else."""
    for row in value["rows"].values():
        if not row["history"]["losses"]:
            raise ValueError("a training has no losses")
    return value


def _study(name: str, value: Mapping[str, Any], origin: Origin) -> Study:
    """What an earlier report measured of an architecture."""
    own = value.get("origins", {})
    measured = {"comparison": "comparison", "parity": "checks", "bench": "bench"}
    checks = [*value.get("checks", [])]
    for check in checks:
        _known(check["architecture"])
    return Study(
        SPECS[name],
        {backend: survey.from_dict(one) for backend, one in value.get("surveys", {}).items()},
        _comparison(value["comparison"]) if value.get("comparison") else None,
        checks,
        value.get("bench"),
        {**value.get("gaps", {})},
        value.get("asked", True),
        {
            key: Origin.from_dict({**own.get(key, {"date": origin.date}), "file": origin.file})
            for key, of in measured.items()
            if value.get(of)
        },
    )


def _add_checks(saved: Saved, value: Mapping[str, Any], origin: Origin) -> None:
    for check in value["checks"]:
        name = _known(check["architecture"])
        saved.origins.setdefault(name, {})["parity"] = origin
    saved.checks += value["checks"]


def _known(name: str) -> str:
    """An architecture that is in the catalogue here; a `KeyError` else."""
    return SPECS[name].name
