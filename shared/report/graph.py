"""A network as it ran, made ready to be drawn: nodes in blocks, and arrows with shapes.

Blocks are closed at first; the page lays out what is open with dagre (Gansner et al., "A Technique
for Drawing Directed Graphs", 1993).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from shared.interface import Step, Trace

Source = int | str


@dataclass(frozen=True)
class Node:
    """An operation, an input or an output.

    Attributes:
        name: Unique: the number of the step, or "in:" or "out:" and the name.
        label: What it is called.
        detail: The canonical name of its layer, if it has one.
        block: The block that it is drawn in, empty for none.
        shape: What it gives, with the letter B for the batch.
        turns: How often it ran.
        place: File and line, "" where there is none.
        key: The layer in the sources: its class and its attribute there, "" where there is none.
        kind: "operation", "input", "output" or "choice" (what Python or the framework decides by).
    """

    name: str
    label: str
    detail: str = ""
    block: str = ""
    shape: str = ""
    turns: int = 1
    place: str = ""
    key: str = ""
    kind: str = "operation"


@dataclass(frozen=True)
class Block:
    """A module that can be opened.

    Attributes:
        name: Its canonical name.
        cls: Its class.
        parent: The block around it, empty for the network itself.
        turns: How often it ran.
        key: As a node's.
    """

    name: str
    cls: str
    parent: str
    turns: int = 1
    key: str = ""


@dataclass(frozen=True)
class Graph:
    """What is drawn: nodes, the blocks that they are in, and arrows (from, to, shape)."""

    nodes: tuple[Node, ...]
    blocks: tuple[Block, ...]
    arrows: tuple[tuple[str, str, str], ...]


def draw(trace: Trace) -> Graph:
    """The graph of a trace.

    What leads to no output and decides nothing is left out, and so is what is made of constants
    alone, such as positions. Calls of one block that do the same are one.
    """
    steps = dict(enumerate(trace.steps))
    steps = _one_turn(steps)
    steps = _needed(steps, trace.outputs.values())
    return _graph(trace, steps)


def _one_turn(steps: dict[int, Step]) -> dict[int, Step]:
    """Each block called several times in a row with the same steps, once; with its turns."""
    calls: dict[str, dict[int, list[int]]] = {}
    for number, step in steps.items():
        calls.setdefault(step.block, {}).setdefault(step.call, []).append(number)
    same: dict[int, int] = {}
    turns: Counter[int] = Counter()
    for of_block in calls.values():
        first = of_block[min(of_block)]
        outline = [_outline(steps[number]) for number in first]
        if any([_outline(steps[n]) for n in other] != outline for other in of_block.values()):
            continue
        for other in of_block.values():
            for number, like in zip(other, first, strict=True):
                same[number] = like
                turns[like] += 1
    kept: dict[int, Step] = {}
    for number, step in steps.items():
        if same.get(number, number) == number:
            inputs = dict.fromkeys(same.get(x, x) if isinstance(x, int) else x for x in step.inputs)
            kept[number] = replace(
                step, inputs=tuple(inputs), turns=step.turns * max(turns[number], 1)
            )
    return kept


def _outline(step: Step) -> tuple[object, ...]:
    return step.kind, step.layer, step.shapes, step.file, step.line


def _needed(steps: dict[int, Step], outputs: Iterable[Source]) -> dict[int, Step]:
    """Without what has no effect on outputs or decisions, or is the same for all inputs."""
    needed: set[int] = set()
    ahead = [x for x in outputs if isinstance(x, int)]
    ahead += [number for number, step in steps.items() if step.kind == "bool"]
    while ahead:
        number = ahead.pop()
        if number not in needed:
            needed.add(number)
            ahead += [x for x in steps[number].inputs if isinstance(x, int)]
    constant: set[int] = set()
    for number, step in steps.items():
        if not step.layer and all(x in constant for x in step.inputs):
            constant.add(number)
    return {
        number: replace(step, inputs=tuple(x for x in step.inputs if x not in constant))
        for number, step in steps.items()
        if number in needed and number not in constant
    }


def _graph(trace: Trace, steps: dict[int, Step]) -> Graph:
    used = {part for step in steps.values() for part in _within(step.block, trace)}
    turns: dict[str, int] = {}
    for step in steps.values():
        turns[step.block] = min(turns.get(step.block, step.turns), step.turns)
    blocks = tuple(
        Block(name, cls, _parent(name, used), turns.get(name, 1), key(name, trace))
        for name, cls in trace.blocks.items()
        if name in used
    )
    nodes = [
        Node(f"in:{name}", name, shape=_shape(shape), kind="input")
        for name, shape in trace.inputs.items()
    ]
    for number, step in steps.items():
        place = f"{step.file}:{step.line}" if step.file else ""
        choice = step.kind == "bool" or step.kind.lower() == "cond"
        nodes.append(
            Node(
                str(number),
                "if" if step.kind == "bool" else step.kind,
                step.layer,
                step.block if step.block in used else "",
                ", ".join(map(_shape, step.shapes)) if len(step.shapes) == 1 else "",
                step.turns,
                place,
                key(step.layer, trace) if step.layer else "",
                "choice" if choice else "operation",
            )
        )
    nodes += [Node(f"out:{name}", name, kind="output") for name in trace.outputs]
    arrows = [
        (_name(x), str(number), _label(x, trace, steps))
        for number, step in steps.items()
        for x in step.inputs
    ]
    arrows += [
        (_name(x), f"out:{name}", _label(x, trace, steps)) for name, x in trace.outputs.items()
    ]
    return Graph(tuple(nodes), blocks, tuple(arrows))


def _within(block: str, trace: Trace) -> list[str]:
    """A block and those around it, without the network itself."""
    parts = block.split(".") if block else []
    names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return [name for name in names if name in trace.blocks]


def _parent(name: str, blocks: set[str]) -> str:
    parts = name.split(".")
    above = (".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
    return next((whole for whole in above if whole in blocks), "")


def key(name: str, trace: Trace) -> str:
    """The class in which a part is an attribute, and the attribute: "ResidualBlock.conv1"."""
    own = {block for block, cls in trace.blocks.items() if cls != "Sequential"}
    owner = _parent(name, own - {""})
    attribute = name.removeprefix(f"{owner}.").split(".")[0]
    return f"{trace.blocks.get(owner, '')}.{attribute}"


def _name(source: Source) -> str:
    return f"in:{source}" if isinstance(source, str) else str(source)


def _label(source: Source, trace: Trace, steps: dict[int, Step]) -> str:
    shapes = (trace.inputs[source],) if isinstance(source, str) else steps[source].shapes
    return " | ".join(dict.fromkeys(map(_shape, shapes)))


def _shape(shape: tuple[int, ...]) -> str:
    """A shape with B in place of the batch: its first axis."""
    return "\u00d7".join(["B", *map(str, shape[1:])]) if shape else "1"
