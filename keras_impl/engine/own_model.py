"""A Keras model that is somebody's own, behind the shared interface."""

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_impl.engine.computing import computing
from keras_impl.engine.model import KerasModel
from shared.errors import ConfigurationError
from shared.interface import TensorInfo
from shared.specs import Network


def check_call(native: keras.Model) -> None:
    """Raise ConfigurationError for a model that takes several inputs one by one."""
    if isinstance(native, keras.Function):
        return
    arguments = inspect.signature(native.call).parameters.values()
    needed = [a.name for a in arguments if a.default is a.empty and a.kind < a.VAR_POSITIONAL]
    if len(needed) > 1:
        raise ConfigurationError(
            f"a Keras model with several inputs must take them as one tuple, call(self, inputs), "
            f"and this one's takes {', '.join(needed)}"
        )


class OwnKerasModel(KerasModel):
    """Somebody's own model in another dtype, with weights of its own; theirs stay as they are.

    A configuration need not have everything that a model is, so none is made of it: the model
    itself is used, and while it computes its variables hold other values. Whoever leaves
    `computing` puts everything back.
    """

    def __init__(self, network: Network, native: keras.Model, dtype: str, device: str) -> None:
        super().__init__(network, native, dtype, device)
        self._depth = 0
        self._mine: list[tuple[Any, str, Any]] = []
        policy = keras.DTypePolicy(dtype)
        with computing(dtype, device):
            for variable in native.variables:
                kind = dtype if _is_floating(variable.dtype) else variable.dtype
                array = np.array(ops.convert_to_numpy(variable.value), kind)
                copy = keras.Variable(array, dtype=kind, trainable=variable.trainable)
                self._mine += [(variable, "_value", copy._value), (variable, "_dtype", kind)]
        for layer in native._flatten_layers():
            self._mine.append((layer, "_dtype_policy", policy))
            places: list[Any] = [layer] if isinstance(layer, keras.layers.InputLayer) else []
            inner = getattr(layer, "_functional", layer)  # what a Sequential computes with
            if isinstance(inner, keras.Function):
                places += inner.inputs
            self._mine += [(x, "_dtype", dtype) for x in places if _is_floating(x.dtype)]

    def table(self) -> list[TensorInfo]:
        """Every tensor in canonical names and layouts."""
        with self.computing():
            return super().table()

    def weights(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers."""
        with self.computing():
            return super().weights()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """A context in which the model has this one's dtype and values."""
        with ExitStack() as stack:
            stack.enter_context(super().computing())
            if not self._depth:
                self._swap()
                stack.callback(self._swap)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def _swap(self) -> None:
        """Exchange what is here with what is in the model."""
        for index, (owner, name, value) in enumerate(self._mine):
            self._mine[index] = (owner, name, vars(owner)[name])
            vars(owner)[name] = value


def _is_floating(dtype: str) -> bool:
    return keras.backend.is_float_dtype(dtype)
