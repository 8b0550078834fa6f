"""A Keras network behind the shared interface: NumPy goes in and NumPy comes out."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_impl import training
from keras_impl.engine import weights
from keras_impl.engine.computing import computing, resting, seed_dropout
from keras_impl.engine.precision import Mixed
from keras_impl.inference import InferenceModel
from shared import reprs
from shared.boundary import by_name, check_decodes, check_inputs, kept
from shared.interface import Arrays, Inputs, Place, TensorInfo
from shared.interface import Trainer as SharedTrainer
from shared.specs import Network, Settings, Task


class KerasModel:
    """A built model with its network, dtype, device and variant."""

    backend = "keras"

    def __init__(
        self,
        network: Network,
        native: keras.Model,
        dtype: str,
        device: str,
        variant: str = "idiomatic",
    ) -> None:
        self.network = network
        self.native = native
        # What computes: the same variables, and outputs of their dtype.
        self.computed = Mixed(native) if dtype == "bfloat16" else native
        self.dtype = dtype
        self.device = device
        self.variant = variant
        self.slots = weights.layout(native)

    @cached_property
    def still(self) -> Callable[[Any], Any]:
        """The model in evaluation mode, in its variant."""

        def still(inputs: Any) -> Any:
            return self.computed(inputs, training=False)

        if self.variant == "idiomatic" or keras.backend.backend() != "tensorflow":
            return still
        from keras_impl.engine.tuning import tuned

        return tuned(still)

    def computing(self) -> Any:
        """A context in which Keras computes in the model's dtype on its device."""
        return computing(self.dtype, self.device)

    def __repr__(self) -> str:
        return reprs.model(self)

    def _repr_html_(self) -> str:
        return reprs.model_html(self)

    def table(self) -> list[TensorInfo]:
        """Every tensor in canonical names and layouts."""
        return weights.table(self.slots)

    def places(self) -> dict[str, Place]:
        """Every tensor as Keras keeps it: a variable's path."""
        return {
            name: Place(slot.variable.path, tuple(slot.variable.shape), slot.axes)
            for name, slot in self.slots.items()
        }

    def weights(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers."""
        return weights.to_canonical(self.slots)

    def load_weights(self, arrays: Arrays) -> None:
        """Take canonical weights."""
        with self.computing():
            weights.from_canonical(self.slots, arrays)

    def inputs(self, arrays: Inputs) -> Any:
        """The network's inputs as tensors, one or a tuple; images are NHWC here too."""
        tensors = tuple(
            ops.convert_to_tensor(array) for array in check_inputs(self.network, arrays, self.dtype)
        )
        return tensors[0] if len(tensors) == 1 else tensors

    def targets(self, task: Task, batch: Arrays) -> dict[str, Any]:
        """The task's targets as tensors."""
        targets = {o.target: batch[o.target] for o in task.objectives}
        return {
            name: ops.convert_to_tensor(
                array, dtype=kept(self.dtype) if array.dtype.kind == "f" else None
            )
            for name, array in targets.items()
        }

    def __call__(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Outputs by name in evaluation mode."""
        with self.computing():
            outputs = by_name(self.network.outputs, self.still(self.inputs(inputs)))
            return {name: np.array(ops.convert_to_numpy(t)) for name, t in outputs.items()}

    def predict(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """Classes and their probabilities."""
        with self.computing():
            wrapper = self._frozen()
            classes, confidence = wrapper.predict(self.inputs(inputs), return_confidence=True)
            return (
                ops.convert_to_numpy(classes).astype(np.int32),
                np.array(ops.convert_to_numpy(confidence)),
            )

    def decode(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """Tokens, and the attention with which they were written."""
        network = check_decodes(self.network, self.native)
        checked = check_inputs(network, inputs, self.dtype)
        with self.computing():
            wrapper = self._frozen()
            tokens, attention = wrapper.decode(*map(ops.convert_to_tensor, checked))
            return (
                ops.convert_to_numpy(tokens).astype(np.int32),
                np.array(ops.convert_to_numpy(attention)),
            )

    def _frozen(self) -> InferenceModel:
        """A wrapper that predicts, itself in the dtype of outputs."""
        return InferenceModel(self.computed, dtype=kept(self.dtype))

    def trainer(self, task: Task, settings: Settings, seed: int) -> SharedTrainer:
        """An optimizer at work on this model."""
        return KerasTrainer(self, task, settings, seed)

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        """Tell a network that keeps a log of its training."""
        if hasattr(self.native, "record_epoch"):
            self.native.record_epoch(loss, train_accuracy, val_accuracy)


def show_zeros(native: keras.Model, network: Network, dtype: str) -> None:
    """Build a model: Keras makes a layer's variables when it first sees an input."""
    zeros = tuple(
        ops.zeros((1, *tensor.shape), kept(dtype) if tensor.dtype == "float" else tensor.dtype)
        for tensor in network.inputs.values()
    )
    native(zeros[0] if len(zeros) == 1 else zeros)


class KerasTrainer:
    """A trainer of `training`, or of `tuning`, for batches of NumPy arrays."""

    def __init__(self, model: KerasModel, task: Task, settings: Settings, seed: int) -> None:
        self.model = model
        self.task = task
        kind: Any = training.Trainer
        if model.variant == "tuned" and keras.backend.backend() == "tensorflow":
            from keras_impl.engine.tuning import TunedTrainer

            kind = TunedTrainer
        with model.computing():
            seed_dropout(model.native, seed)
            dropouts = [
                layer
                for _, layer in weights.walk(model.computed)
                if isinstance(layer, keras.layers.Dropout)
            ]
            self.resting = [] if settings.dropout else dropouts
            self.native = kind(model.computed, list(model.network.outputs), task, settings)

    def train_step(self, batch: Arrays) -> Mapping[str, Any]:
        """One optimizer step."""
        with self.model.computing(), resting(self.resting):
            return self.native.train_step(*self._split(batch))

    def evaluation_step(self, batch: Arrays) -> Mapping[str, Any]:
        """The same figures in evaluation mode."""
        with self.model.computing():
            return self.native.evaluation_step(*self._split(batch))

    def _split(self, batch: Arrays) -> tuple[Any, dict[str, Any]]:
        inputs = {name: batch[name] for name in self.model.network.inputs}
        return self.model.inputs(inputs), self.model.targets(self.task, batch)
