"""A pass through a model, operation by operation, on tensors that have shapes and no values.

Keras calls layers and `keras.ops` on such tensors where a functional model is made; there each
operation is told to work out its result's shape. Here it is noted too, and what is inside a layer
of this panel is gone through.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
from keras import layers, tree

from shared.boundary import by_name
from shared.errors import ConfigurationError
from shared.interface import Step, Trace
from shared.specs import Network

_PANEL, _ENGINE = str(Path(__file__).parents[1]), str(Path(__file__).parent)
_SAME = {"ConvertToTensor"}  # no step of its own
_BATCH = 2


def trace(native: keras.Model, network: Network, names: Mapping[int, str]) -> Trace:
    """Call a model, in evaluation mode, and say what happened.

    Args:
        native: A built model.
        network: Its inputs and outputs.
        names: The canonical names of its layers, by `id`.
    """
    dtypes = {"float": native.compute_dtype}
    inputs = {
        name: keras.KerasTensor((_BATCH, *tensor.shape), dtypes.get(tensor.dtype, tensor.dtype))
        for name, tensor in network.inputs.items()
    }
    seen = _Tracer(inputs, names)
    tensors = tuple(inputs.values())
    with seen.looking():
        outputs = by_name(
            network.outputs, native(tensors if len(tensors) > 1 else tensors[0], training=False)
        )
    return Trace(
        tuple(seen.steps),
        seen.blocks,
        {name: tuple(tensor.shape) for name, tensor in inputs.items()},
        {name: seen.makers[id(tensor)] for name, tensor in outputs.items()},
    )


def _tensors(value: Any) -> Iterator[Any]:
    """Every tensor without values in nested structures."""
    return (part for part in tree.flatten(value) if isinstance(part, keras.KerasTensor))


class _Tracer:
    """Notes what is called by the architecture's own code."""

    def __init__(self, inputs: Mapping[str, Any], names: Mapping[int, str]) -> None:
        self.names = names
        self.steps: list[Step] = []
        self.blocks: dict[str, str] = {}
        self.makers: dict[int, int | str] = {id(tensor): name for name, tensor in inputs.items()}
        self._kept: list[Any] = []  # else another tensor could get the same id
        self._within: list[tuple[str, int]] = []
        self._calls: dict[str, int] = {}
        self._turns = 1

    @contextmanager
    def looking(self) -> Iterator[None]:
        """A context in which every operation on tensors without values is noted."""
        seen = self

        def symbolic_call(operation: Any, *args: Any, **kwargs: Any) -> Any:
            return seen.call(operation, args, kwargs)

        # A layer has a method of its own of this name.
        with (
            patch.object(keras.Operation, "symbolic_call", symbolic_call),
            patch.object(keras.layers.Layer, "symbolic_call", symbolic_call),
        ):
            yield

    def call(self, operation: Any, args: Any, kwargs: Any) -> Any:
        """Go through a layer of this panel; note anything else, and work out what it gives."""
        name = self.names.get(id(operation), "")
        if isinstance(operation, layers.RNN):
            return self._loop(operation, *args)
        own = not type(operation).__module__.startswith("keras.")
        if own or isinstance(operation, keras.Sequential):
            self.blocks[name] = type(operation).__name__
            self._calls[name] = self._calls.get(name, -1) + 1
            self._within.append((name, self._calls[name]))
            output = operation.call(*args, **kwargs)
            self._within.pop()
            return output
        if type(operation).__name__ == "Cond":
            return self._choice(operation, name, *args)
        output = operation.compute_output_spec(*args, **kwargs)
        if type(operation).__name__ in _SAME:
            return args[0]
        # What gives what it was given would make two tensors one.
        output = tree.map_structure(_copy, output)
        self._note(operation, name, (args, kwargs), output)
        return output

    def _choice(self, operation: Any, name: str, asked: Any, *branches: Any) -> Any:
        """Go through both branches; they give the same shapes."""
        ends = [branch() for branch in branches]
        output = tree.map_structure(_copy, ends[0])
        self._note(operation, name, (asked, ends), output)
        return output

    def _loop(self, rnn: layers.RNN, sequence: Any, *_: Any) -> Any:
        """Go through one turn of a loop over the steps of a sequence; only its last state counts.

        Raises:
            ConfigurationError: the loop gives something else than its last output.
        """
        if rnn.return_sequences or rnn.return_state or rnn.go_backwards:
            raise ConfigurationError("only the last output of an RNN can be followed")
        batch, turns, *rest = sequence.shape
        first = keras.KerasTensor((batch, *rest), sequence.dtype)
        self.makers[id(first)] = self.makers[id(sequence)]
        sizes = tree.flatten(rnn.cell.state_size)
        states = [keras.KerasTensor((batch, size), sequence.dtype) for size in sizes]
        self._kept += [first, *states]
        self._turns *= turns
        output, _ = rnn.cell(first, states)
        self._turns //= turns
        return output

    def _note(self, operation: Any, layer: str, arguments: Any, output: Any) -> None:
        inputs = [self.makers[id(x)] for x in _tensors(arguments) if id(x) in self.makers]
        tensors = list(_tensors(output))
        block, call = self._within[-1]
        self.steps.append(
            Step(
                type(operation).__name__,
                layer,
                block,
                call,
                tuple(dict.fromkeys(inputs)),
                tuple(tuple(tensor.shape) for tensor in tensors),
                *_place(),
                self._turns,
            )
        )
        for tensor in tensors:
            self.makers[id(tensor)] = len(self.steps) - 1
            self._kept.append(tensor)


def _copy(value: Any) -> Any:
    """Another tensor of the same shape; what is no tensor as it is."""
    if isinstance(value, keras.KerasTensor):
        return keras.KerasTensor(value.shape, value.dtype)
    return value


def _place() -> tuple[str, int]:
    """The innermost line of this panel's networks that is being executed."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        path = frame.f_code.co_filename
        if path.startswith(_PANEL) and not path.startswith(_ENGINE):
            return Path(path).stem, frame.f_lineno
    return "", 0
