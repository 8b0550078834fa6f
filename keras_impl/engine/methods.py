"""A model's methods beside its pass forward; files by `save_weights` and `save`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_impl.engine.computing import seeded
from keras_impl.engine.model import KerasModel, show_zeros
from keras_impl.inference import InferenceModel
from shared.interface import Arrays, Model

Differentiate = Callable[[Any, Sequence[Any], list[Any]], tuple[Any, Any, list[Any]]]


class KerasMethods:
    """Calls the methods of a model of this panel.

    `differentiate` gives a function's gradients by variables and by inputs.
    """

    def __init__(self, model: KerasModel, differentiate: Differentiate) -> None:
        self.model = model
        self.native = model.native
        self.differentiate = differentiate

    def config(self) -> dict[str, Any]:
        """The arguments that `get_config` gives."""
        return _plain(self.native)

    def again(self) -> KerasModel:
        """The network once more, made of what `get_config` says."""
        own = self.model
        with own.computing(), seeded(0):
            native = _again(self.native)
            show_zeros(native, own.network, own.dtype)
        return KerasModel(own.network, native, own.dtype, own.device, own.variant)

    def hand_over(self, other: Model, folder: Path) -> None:
        """A file of weights alone."""
        with self.model.computing():
            self.native.save_weights(folder / "model.weights.h5")
            other.native.load_weights(folder / "model.weights.h5")

    def whole(self, folder: Path) -> Model | None:
        """What is read from a file of the configuration and the weights."""
        own = self.model
        with own.computing():
            self.native.save(folder / "model.keras")
            native = keras.saving.load_model(folder / "model.keras")
        return KerasModel(own.network, native, own.dtype, own.device, own.variant)

    def features(self, inputs: Arrays) -> np.ndarray:
        """What `extract_features` gives."""
        with self.model.computing():
            features = self.native.extract_features(self.model.inputs(inputs))
            return np.array(ops.convert_to_numpy(features))

    def passes(self, method: str, inputs: Arrays) -> float:
        """The largest gradient that passes a method."""
        network, owner = self.model.network, self.native
        with self.model.computing():
            if hasattr(InferenceModel, method) and not isinstance(owner, InferenceModel):
                owner = InferenceModel(owner, dtype=self.native.dtype_policy)
            names = [*network.inputs][: -1 if method == "decode" else None]
            kinds = [network.inputs[name].dtype == "float" for name in names]
            tensors = [ops.convert_to_tensor(inputs[name]) for name in names]

            def total(floats: list[Any]) -> tuple[Any, None]:
                rest = iter(floats)
                values = [next(rest) if k else x for x, k in zip(tensors, kinds, strict=True)]
                one = values[0] if len(values) == 1 else tuple(values)
                arguments = {"decode": values, "predict": [one, True]}.get(method, [one])
                outputs = keras.tree.flatten(getattr(owner, method)(*arguments))
                floating = [x for x in outputs if keras.backend.is_float_dtype(x.dtype)]
                return sum(ops.sum(ops.square(x)) for x in floating), None

            variables = [slot.variable for slot in self.model.slots.values()]
            floats = [x for x, kind in zip(tensors, kinds, strict=True) if kind]
            _, _, gradients = self.differentiate(total, variables, floats)
            reached = [float(ops.max(ops.abs(g))) for g in gradients if g is not None]
            return max(reached, default=0.0)

    def batches(self, batches: Sequence[tuple[Arrays, np.ndarray]]) -> dict[str, np.ndarray]:
        """What `predict_batch` and `evaluate` say."""
        with self.model.computing():
            pairs = [(self.model.inputs(x), ops.convert_to_tensor(y)) for x, y in batches]
            classes, labels = self.native.predict_batch(iter(pairs))
            return {
                "classes": ops.convert_to_numpy(classes).astype(np.int32),
                "labels": ops.convert_to_numpy(labels).astype(np.int32),
                "evaluated": np.array(self.native.evaluate(iter(pairs)), np.float64),
            }


def _again(native: Any) -> Any:
    """A model of the same class and configuration, models in it made anew too."""
    config = {
        name: _again(value) if isinstance(value, keras.Model) else value
        for name, value in native.get_config().items()
    }
    return type(native).from_config(config)


def _plain(native: Any) -> dict[str, Any]:
    """A model's configuration, without what every Keras model has in its own."""
    usual = keras.Model().get_config()
    return {
        name: {"cls": type(value).__name__, "config": _plain(value)}
        if isinstance(value, keras.Model)
        else value
        for name, value in native.get_config().items()
        if name not in usual
    }
