"""The table of parameters: canonical names, and where each backend keeps the same tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.interface import Place
from shared.report import graph
from shared.report.survey import Survey

_LETTERS = {"Embed": "VD", "Embedding": "VD", "ConvTranspose": "IOHW"}


@dataclass(frozen=True)
class Own:
    """A tensor in a backend: its name there, its shape, and what its axes are."""

    name: str
    shape: tuple[int, ...]
    axes: str


@dataclass(frozen=True)
class Tensor:
    """A row: O is what a layer gives, I what it takes, H and W space, V a vocabulary."""

    name: str
    shape: tuple[int, ...]
    axes: str
    size: int
    kind: str
    key: str
    own: Mapping[str, Own]


def tensors(surveys: Mapping[str, Survey]) -> list[Tensor]:
    """Every tensor, in the order of the first backend."""
    first = next(iter(surveys.values()))
    kinds = {step.layer: step.kind for step in first.trace.steps if step.layer}
    rows = []
    for info in first.table:
        layer = info.name.rpartition(".")[0]
        letters = _letters(kinds.get(layer, ""), len(info.shape))
        rows.append(
            Tensor(
                info.name,
                info.shape,
                letters,
                info.size,
                info.kind,
                graph.key(layer, first.trace),
                {
                    name: _own(survey.places[info.name], letters)
                    for name, survey in surveys.items()
                    if info.name in survey.places
                },
            )
        )
    return rows


def _letters(kind: str, ndim: int) -> str:
    if ndim == 1:
        return "O"
    special = next((axes for name, axes in _LETTERS.items() if kind.startswith(name)), "OIHW")
    return special[:ndim]


def _own(place: Place, letters: str) -> Own:
    axes = [""] * len(letters)
    for canonical, own in enumerate(place.axes):
        axes[own] = letters[canonical]
    return Own(place.name, place.shape, "".join(axes))


def counts(rows: Sequence[Tensor]) -> dict[str, int]:
    """Values in parameters and in buffers."""
    return {
        kind: sum(row.size for row in rows if row.kind == kind) for kind in ("parameter", "buffer")
    }
