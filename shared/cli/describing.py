"""What verbs say of an architecture."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from shared.specs import Spec, Tensor


def row(spec: Spec) -> dict[str, Any]:
    """Everything that the catalogue knows of an architecture, for JSON."""
    return {
        "name": spec.name,
        "class": spec.network.cls,
        "files": [f"{file}.py" for file in spec.files],
        "summary": spec.summary,
        "shows": spec.shows,
        "inputs": shapes(spec.network.inputs),
        "outputs": shapes(spec.network.outputs),
        "parameters": spec.parameters,
        "buffers": spec.buffers,
        "task": spec.task.name if spec.task else None,
        "metrics": list(spec.task.metrics) if spec.task else [],
    }


def shapes(tensors: Mapping[str, Tensor]) -> list[str]:
    """Tensors with their names and their shapes, N of each in a batch."""
    return [f"{name} ({', '.join(map(str, ('N', *t.shape)))})" for name, t in tensors.items()]


def lines(spec: Spec, width: int) -> list[str]:
    """What an architecture is, in which files, and what it takes and gives."""
    about = row(spec)
    buffers = f", {spec.buffers:,} buffers" if spec.buffers else ""
    parts = {
        "shows": spec.shows,
        "files": ", ".join(about["files"]),
        "inputs": ", ".join(about["inputs"]),
        "outputs": ", ".join(about["outputs"]),
        "size": f"{spec.parameters:,} parameters{buffers}",
    }
    told = [f"{spec.name}: {spec.summary}"]
    told += [f"  {title:<9}{text}" for title, text in parts.items() if text]
    return [row for text in told for row in textwrap.wrap(text, width, subsequent_indent=" " * 11)]
