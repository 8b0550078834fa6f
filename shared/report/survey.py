"""What a backend tells of a network without training it: its tensors, and how it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared import registry
from shared.interface import Place, Step, TensorInfo, Trace
from shared.parity import collect
from shared.specs import find

BATCH = 2


@dataclass(frozen=True)
class Survey:
    """One backend's network.

    Attributes:
        versions: Of the libraries that compute.
        table: Every tensor under its canonical name.
        places: Where the framework keeps each.
        trace: What runs when it is called.
    """

    versions: Mapping[str, str]
    table: tuple[TensorInfo, ...]
    places: Mapping[str, Place]
    trace: Trace


def survey(backend: str, architecture: str) -> Survey:  # in a worker
    """Build the default network in a backend and look at it."""
    loaded = registry.load(backend)
    case = find(architecture).cases[0]
    model = loaded.build(case.network, seed=None, variant="idiomatic")
    trace = loaded.probe(model).trace(collect.sample_batch(case, BATCH, "float32"))
    return Survey(loaded.versions(), tuple(model.table()), model.places(), trace)


def from_dict(value: Mapping[str, Any]) -> Survey:
    """A survey from the JSON of `dataclasses.asdict`."""
    trace = value["trace"]
    steps = tuple(
        Step(
            **{
                **step,
                "inputs": tuple(step["inputs"]),
                "shapes": tuple(map(tuple, step["shapes"])),
            }
        )
        for step in trace["steps"]
    )
    inputs = {name: tuple(shape) for name, shape in trace["inputs"].items()}
    return Survey(
        {**value["versions"]},
        tuple(TensorInfo(**{**row, "shape": tuple(row["shape"])}) for row in value["table"]),
        {
            name: Place(place["name"], tuple(place["shape"]), tuple(place["axes"]))
            for name, place in value["places"].items()
        },
        Trace(steps, {**trace["blocks"]}, inputs, {**trace["outputs"]}),
    )
