"""A report whose texts would like to be elements and scripts."""

from dataclasses import replace
from typing import Any

from shared.report.pages import Report, Study
from shared.report.survey import Survey
from shared.specs import SPECS

NAME = "basic_net"
HOSTILE = '<script>bad()</script><b onmouseover="bad()">&\'"'


def poisoned(value: Any) -> Any:
    """The same value with a hostile text in place of every text that is no name of ours."""
    if isinstance(value, dict):
        return {key: poisoned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


def hostile(surveys: dict[str, dict[str, Survey]], measured: Any) -> Report:
    """A report in which whatever comes from a file or a framework is hostile."""
    before = measured["studies"][NAME]
    comparison = {
        **before["comparison"],
        "source": HOSTILE,
        "machine": {HOSTILE: HOSTILE},
        "rows": {
            name: {**row, "versions": {HOSTILE: HOSTILE}}
            for name, row in before["comparison"]["rows"].items()
        },
        "request": {**poisoned(before["comparison"]["request"])},
    }
    checks = [
        {**check, "case": HOSTILE, "detail": HOSTILE, "part": HOSTILE} for check in before["checks"]
    ]
    changed = {}
    for name, one in surveys[NAME].items():
        trace = one.trace
        steps = tuple(
            replace(each, kind=HOSTILE, layer=each.layer and HOSTILE) for each in trace.steps
        )
        places = {key: replace(place, name=HOSTILE) for key, place in one.places.items()}
        blocks = dict.fromkeys(trace.blocks, HOSTILE)
        changed[name] = replace(
            one, places=places, trace=replace(trace, steps=steps, blocks=blocks)
        )
    study = Study(SPECS[NAME], changed, comparison, checks, gaps={"torch": HOSTILE})
    return Report([study], machine={HOSTILE: HOSTILE}, made_from=[HOSTILE])
