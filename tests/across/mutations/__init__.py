"""Faults of one convention each, put into one backend at a time, and whether the ladder sees them.

`catalogue` lists them; `torch_mutations`, `flax_mutations` and `keras_mutations` make them, each a
context manager of the mutation's name that undoes itself, so that one worker serves many; `detect`
holds every mutated backend against the two others and writes DETECTION.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def changed(owner: Any, **attributes: Any) -> Iterator[None]:
    """Other values for attributes of a module or a class, for a while."""
    before = {name: getattr(owner, name) for name in attributes}
    inherited = [name for name in attributes if name not in vars(owner)]
    for name, value in attributes.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            if name in inherited:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


class _Instead:
    """A module of which some names mean something else."""

    def __init__(self, module: Any, others: dict[str, Any]) -> None:
        self._module = module
        vars(self).update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@contextmanager
def instead(owner: Any, name: str, **others: Any) -> Iterator[None]:
    """What a panel's file imported as `name`, with other functions or classes, in that file alone.

    `instead(torch_impl.mlp, "F", relu=F.silu)` leaves every other file its ReLU.
    """
    with changed(owner, **{name: _Instead(getattr(owner, name), others)}):
        yield


@contextmanager
def known(tensors: dict[type, Any], mutant: type, original: type) -> Iterator[None]:
    """A layer's subclass among those whose tensors a panel can name."""
    tensors[mutant] = tensors[original]
    try:
        yield
    finally:
        del tensors[mutant]
