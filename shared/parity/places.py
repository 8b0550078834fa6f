"""Where in the sources a divergence is: the file and the line of what ran there."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from shared.interface import Step, Trace
from shared.panels import PANELS
from shared.parity import recipes, sources
from shared.parity.checks import Check
from shared.parity.locate import LOSS, Divergence

TRAINING = "training"
"""The file of a panel that has the loss and the optimizer."""

OF_OPTIMIZER = {"schedule": "make_schedule", "clipping": "clip"}
"""The functions of what an optimizer's step is made of, by the kind of a cause, where a panel has
them: all else is in `make_optimizer`."""

OF_INPUT = "the input of "
OF_OUTPUT = "the network's output "


def placed(checks: Iterable[Check], traces: Mapping[str, Trace]) -> list[Check]:
    """The same checks; each divergence with the places that these traces know of it.

    Args:
        checks: Checks of one case.
        traces: What ran in that case, by backend.
    """
    return [
        replace(check, first=replace(check.first, place=_places(check, check.first, traces)))
        if check.first
        else check
        for check in checks
    ]


def _places(check: Check, first: Divergence, traces: Mapping[str, Trace]) -> str:
    sides = [name for name in check.between.split("-") if name in PANELS]
    if functions(first):
        return ", ".join(filter(None, (_defined(name, first) for name in sides)))
    known = [name for name in sides if name in traces]
    return ", ".join(filter(None, (place(name, traces[name], first) for name in known)))


def functions(first: Divergence) -> list[str]:
    """Those of a panel's training that a divergence is of, the likeliest first; none of a network.

    The shipped Adam is each library's own.
    """
    if first.point == LOSS:
        return ["total_loss"]
    rung, _, recipe = first.rung.partition("/")
    if rung != "optimizers" or recipe == recipes.SHIPPED:
        return []
    own = OF_OPTIMIZER.get(first.kind)
    return [*([own] if own else []), "make_optimizer"]


def _defined(backend: str, first: Divergence) -> str:
    """Where the first of these functions that a panel has begins, "" if it has none."""
    file = f"{PANELS[backend]}/{TRAINING}.py"
    path = sources.files(PANELS[backend]).get(file)
    try:
        lines = _lines(path, sources.state(path)) if path else {}
    except (OSError, SyntaxError, ValueError):  # as it is on the disk now
        return ""
    known = [lines[name] for name in functions(first) if name in lines]
    return f"{file}:{known[0]}" if known else ""


@cache
def _lines(path: Path, state: sources.State) -> Mapping[str, int]:  # noqa: ARG001
    """Where a file's functions begin, by their names; read again when it is another one."""
    tree = ast.parse(path.read_bytes())
    return {node.name: node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)}


def place(backend: str, trace: Trace, first: Divergence) -> str:
    """A file and a line, as in "flax_impl/mlp.py:35", or "" if no line of a network is told.

    That of an input is where it is made of what other layers gave; if these gave it as it is, and
    so for all else, it is where the layer is called.
    """
    steps = _steps(trace, first)
    files = {step.file for step in steps if step.file}
    if len(files) != 1:
        return ""
    lines = sorted(step.line for step in steps if step.file)
    more = f"-{lines[-1]}" if lines[-1] != lines[0] else ""
    return f"{PANELS[backend]}/{files.pop()}.py:{lines[0]}{more}"


def side(backend: str, places: str) -> str:
    """A backend's own among the places of a divergence; "torch#2" of a second file is PyTorch's."""
    panel = PANELS.get(backend.partition("#")[0], "")
    own = [each for each in places.split(", ") if panel and each.startswith(f"{panel}/")]
    return own[0] if own else ""


def _steps(trace: Trace, first: Divergence) -> list[Step]:
    """What ran there."""
    steps = trace.steps
    if first.point.startswith(OF_OUTPUT):
        maker = trace.outputs.get(first.point.removeprefix(OF_OUTPUT))
        return _between(trace, maker, len(steps)) or _one(trace, maker)
    layer = first.layer
    own = [n for n, step in enumerate(steps) if layer and layer in (step.layer, step.block)]
    if not own:
        return []
    if first.point.startswith(OF_INPUT):
        begin = own[0]
        before = [step for x in steps[begin].inputs for step in _between(trace, x, begin)]
        return before or [steps[begin]]
    return [steps[own[0] if steps[own[0]].layer == layer else own[-1]]]


def _between(trace: Trace, maker: int | str | None, end: int) -> list[Step]:
    """A step and those before it, back to what layers gave or took before the step `end`."""
    taken = {x for step in trace.steps[:end] if step.layer for x in step.inputs}
    steps: list[Step] = []
    left, seen = [maker], set[int]()
    while left:
        number = left.pop()
        if not isinstance(number, int) or number in seen | taken:
            continue
        seen.add(number)
        step = trace.steps[number]
        if not step.layer:
            steps.append(step)
            left += step.inputs
    return steps


def _one(trace: Trace, maker: int | str | None) -> list[Step]:
    return [trace.steps[maker]] if isinstance(maker, int) else []
