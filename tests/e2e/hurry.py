"""What makes a worker do less: it imports little, for a worker does so when it starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

from shared.benchmark import measure
from shared.data import mnist
from shared.parity import collect
from tests.shorter import shorter

TRAIN, TEST = 640, 160
STEPS = 5
"""Of each training on the ladder."""


def hurry() -> None:
    """In a worker that starts: leave a part of the sample, train for few steps, be warm soon."""
    collect.plan = shorter(collect.plan, STEPS)
    mnist.load = fewer(mnist.load)  # type: ignore[assignment]
    measure.warm_up = partial(measure.warm_up, least=0.1, most=0.5)  # type: ignore[assignment]


@contextmanager
def fewer_digits() -> Iterator[None]:
    """In a worker that others use later: a part of the sample, for a while."""
    with patch.object(mnist, "load", fewer(mnist.load)):
        yield


def fewer(load: Any) -> Any:
    def loaded(name: str, *arguments: Any, **options: Any) -> mnist.Dataset:
        data = load(name, *arguments, **options)
        if name != "sample":
            return data
        return replace(data, train=_first(data.train, TRAIN), test=_first(data.test, TEST))

    return loaded


def _first(split: mnist.Split, count: int) -> mnist.Split:
    return mnist.Split(split.images[:count], split.labels[:count])
