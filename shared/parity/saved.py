"""A climb's outcome read from its JSON; what is not of an outcome is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar, cast, get_args

from shared.parity.checks import RUNGS, Check, Outcome, Request, sum_of
from shared.parity.judge import Status
from shared.parity.locate import Divergence

Value = TypeVar("Value")


def outcome(value: Mapping[str, Any]) -> Outcome:
    """The outcome that `Outcome.to_dict` made JSON of.

    Raises:
        ValueError: a check cannot be, the verdict is not that of the checks, nothing is said of a
            backend that was asked for, or something was changed after it was written.
        TypeError, KeyError, AttributeError, OverflowError: something is absent, of another type, or
            too large.
    """
    asked = request(value["asked"])
    read = Outcome(
        checks=[check(row, asked.dtypes) for row in _typed(value["checks"], list)],
        versions={name: _by_name(of) for name, of in value["versions"].items()},
        skipped=_by_name(value["skipped"]),
        errors=_by_name(value["errors"]),
        device=_typed(value["device"], str),
        precision=_typed(value["precision"], str),
        notes=[*_texts(value["notes"])],
        asked=asked,
    )
    if (read.device, read.precision) != (asked.device, asked.precision):
        raise ValueError("it was climbed otherwise than it was asked for")
    silent = {*asked.backends} - {*read.versions, *read.skipped, *read.errors}
    if read.checks and silent:
        raise ValueError(f"it says nothing of {', '.join(sorted(silent))}")
    if value["proved"] is not read.proved:
        raise ValueError("its verdict is not that of its checks")
    if value["sum"] != sum_of(value):
        raise ValueError("it was changed after it was written: its sum is of something else")
    return read


def request(value: Mapping[str, Any]) -> Request:
    """What a climb was asked for, as its outcome says; it raises what `outcome` does."""
    shard = value["shard"]
    return Request(
        architectures=_texts(value["architectures"]),
        dtypes=_texts(value["dtypes"]),
        backends=_texts(value["backends"]),
        trainings=_typed(value["trainings"], bool),
        variants=_typed(value["variants"], bool),
        device=_typed(value["device"], str),
        precision=_typed(value["precision"], str),
        shard=None if shard is None else _typed(shard, str),
        sources=_typed(value["sources"], str),
    )


def check(row: Mapping[str, Any], dtypes: Sequence[str]) -> Check:
    """A check of a climb in these dtypes; it raises what `outcome` does."""
    difference, tolerance = _number(row["difference"]), _number(row["tolerance"])
    others = ("difference", "tolerance", "first")
    texts = {
        each.name: _typed(row[each.name], str) for each in fields(Check) if each.name not in others
    }
    rung, status, dtype = (texts[name] for name in ("rung", "status", "dtype"))
    if rung not in RUNGS or status not in get_args(Status):
        raise ValueError(f"a check of {rung!r} cannot be {status!r}")
    if dtype not in (("",) if rung == "mirror" else dtypes):
        raise ValueError(f"a check of {rung} cannot be in {dtype!r}")
    if status == "failed" and difference is None and tolerance is not None:
        difference = math.inf  # what was measured has a tolerance, and JSON has no infinity
    first = None if row["first"] is None else _divergence(row["first"])
    return Check(**cast(Any, texts), difference=difference, tolerance=tolerance, first=first)


def _divergence(row: Mapping[str, Any]) -> Divergence:
    difference = _number(row["difference"])
    texts = {
        each.name: _typed(row[each.name], str)
        for each in fields(Divergence)
        if each.name != "difference"
    }
    return Divergence(difference=math.inf if difference is None else difference, **texts)


def _number(value: object) -> float | None:
    if value is None:
        return None
    return float(value if type(value) is int else _typed(value, float))


def _by_name(value: Mapping[str, object]) -> dict[str, str]:
    return {name: _typed(text, str) for name, text in value.items()}


def _texts(values: object) -> tuple[str, ...]:
    return tuple(_typed(text, str) for text in _typed(values, list))


def _typed(value: object, kind: type[Value]) -> Value:
    if type(value) is not kind:
        raise TypeError(f"there is {type(value).__name__} in place of {kind.__name__}")
    return value
