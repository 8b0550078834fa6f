"""A Flax network behind the shared interface: NumPy goes in and NumPy comes out."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from flax import traverse_util
from jax import Array

from flax_impl import training
from flax_impl.engine import compiling, tuning, weights
from flax_impl.engine.computing import computing, in_mode
from flax_impl.engine.precision import Mixed
from flax_impl.engine.rewriting import rewritten
from flax_impl.inference import InferenceModel
from shared import reprs
from shared.boundary import by_name, check_decodes, check_inputs, kept
from shared.interface import Arrays, Inputs, Place, TensorInfo
from shared.interface import Trainer as SharedTrainer
from shared.specs import Network, Settings, Task


def inside(variables: weights.Variables) -> weights.Variables:
    """A network's variables as those of the InferenceModel around it."""
    return {name: {"base_model": tree} for name, tree in variables.items()}


STEPS_KEPT = 4
"""How many compiled steps a model keeps for its next trainers."""


class FlaxModel:
    """A module with its variables, network, dtype and device."""

    backend = "flax"

    def __init__(
        self,
        network: Network,
        native: nn.Module,
        variables: weights.Variables,
        layout: weights.Layout,
        dtype: str,
        device: str,
        variant: str = "idiomatic",
    ) -> None:
        self.network = network
        self.native = native
        self.variables = variables
        self.dtype = dtype
        self.device = device
        self.variant = variant
        self.slots, self.names, self.dropouts = layout
        self._steps: dict[Any, Callable[..., Any]] = {}
        # What computes: with the same variables, in the model's dtype.
        self.computed = Mixed(native) if dtype == "bfloat16" else native
        computed = self.computed
        still, mode = in_mode(computed, train=False)
        self._apply = self.compiled(partial(still.apply, **mode))
        self._predict = self.compiled(
            lambda variables, inputs: InferenceModel(computed).apply(
                inside(variables), inputs, return_confidence=True, method="predict"
            )
        )
        self._decode = self.compiled(
            lambda variables, inputs: InferenceModel(computed).apply(
                inside(variables), *inputs, method="decode"
            )
        )

    def share(self, other: "FlaxModel") -> None:
        """Compute outputs by what another model has compiled, whose module is equal to this one."""
        self._apply = other._apply

    def compiled(
        self, function: Callable[..., Any], purpose: str = "inference"
    ) -> Callable[..., Any]:
        """The function compiled, in the model's variant."""
        # XLA's primitives are slow on a CPU alone.
        slow = self.variant == "tuned" and self.device == "cpu"
        if slow:
            compiling.give_memory_back()
        rules = [tuning.rules(purpose)] if slow else []
        # float32 is compiled as people run it; float64 is asked for what a network means.
        if self.dtype == "float64":
            return compiling.exactly(function, self.variables, self.device, *rules)
        return jax.jit(rewritten(function, *rules) if rules else function)

    def step(
        self, task: Task, settings: Settings, function: Callable[..., Any], purpose: str
    ) -> Callable[..., Any]:
        """A step of a trainer compiled, once for the last few trainers of the same settings.

        Of what a step depends on, weights, the optimizer's state and the key of dropout are its
        arguments; an evaluation does not depend on the settings.
        """
        key = (purpose, task, settings if purpose == "training" else None)
        if key not in self._steps:
            self._steps[key] = self.compiled(function, purpose)
            for oldest in [*self._steps][:-STEPS_KEPT]:
                del self._steps[oldest]
        return self._steps[key]

    def computing(self) -> Any:
        """A context in which JAX computes in the model's dtype on its device."""
        return computing(self.dtype, self.device)

    def __repr__(self) -> str:
        return reprs.model(self)

    def _repr_html_(self) -> str:
        return reprs.model_html(self)

    def table(self) -> list[TensorInfo]:
        """Every tensor in canonical names and layouts."""
        return weights.table(self.variables, self.slots)

    def places(self) -> dict[str, Place]:
        """Every tensor as Flax keeps it: a path in the variables."""
        flat = traverse_util.flatten_dict(dict(self.variables))
        return {
            name: Place("/".join(slot.path), flat[slot.path].shape, slot.axes)
            for name, slot in self.slots.items()
        }

    def weights(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers."""
        return weights.to_canonical(self.variables, self.slots)

    def load_weights(self, arrays: Arrays) -> None:
        """Take canonical weights."""
        with self.computing():
            self.variables = weights.from_canonical(self.variables, self.slots, arrays)

    def inputs(self, arrays: Inputs, network: Network | None = None) -> tuple[Array, ...]:
        """The network's inputs as arrays on its device; images are NHWC here too."""
        checked = check_inputs(network or self.network, arrays, self.dtype)
        return tuple(map(weights.copied, checked))

    def targets(self, task: Task, batch: Arrays) -> dict[str, Array]:
        """The task's targets as arrays on the model's device."""
        targets = {o.target: batch[o.target] for o in task.objectives}
        return {
            name: weights.copied(array, kept(self.dtype) if array.dtype.kind == "f" else None)
            for name, array in targets.items()
        }

    def __call__(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Outputs by name in evaluation mode."""
        with self.computing():
            outputs = by_name(
                self.network.outputs, self._apply(self.variables, *self.inputs(inputs))
            )
            return {name: np.array(array) for name, array in outputs.items()}

    def predict(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """Classes and their probabilities."""
        with self.computing():
            classes, confidence = self._predict(self.variables, self.inputs(inputs))
            return np.array(classes, np.int32), np.array(confidence)

    def decode(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """Tokens, and the attention with which they were written."""
        network = check_decodes(self.network, self.native)
        with self.computing():
            tokens, attention = self._decode(self.variables, self.inputs(inputs, network))
            return np.array(tokens, np.int32), np.array(attention)

    def trainer(self, task: Task, settings: Settings, seed: int) -> SharedTrainer:
        """An optimizer at work on this model."""
        return FlaxTrainer(self, task, settings, seed)

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        """Tell a network that keeps a log of its training."""
        if hasattr(self.native, "record_epoch"):
            self.native.record_epoch(loss, train_accuracy, val_accuracy)


class FlaxTrainer:
    """`training.Trainer` for batches of NumPy arrays.

    The model has the newest variables: weights that it loads meanwhile are those of the next step.
    """

    def __init__(self, model: FlaxModel, task: Task, settings: Settings, seed: int) -> None:
        self.model = model
        self.task = task
        with model.computing():
            self.native = training.Trainer(
                model.computed,
                model.variables,
                list(model.network.outputs),
                task,
                settings,
                seed,
                partial(model.step, task, settings),
            )

    def train_step(self, batch: Arrays) -> Mapping[str, Any]:
        """One optimizer step."""
        self.native.variables = self.model.variables
        with self.model.computing():
            result = self.native.train_step(*self._split(batch))
        self.model.variables = self.native.variables
        return result

    def evaluation_step(self, batch: Arrays) -> Mapping[str, Any]:
        """The same figures in evaluation mode."""
        self.native.variables = self.model.variables
        with self.model.computing():
            return self.native.evaluation_step(*self._split(batch))

    def _split(self, batch: Arrays) -> tuple[tuple[Array, ...], dict[str, Array]]:
        inputs = {name: batch[name] for name in self.model.network.inputs}
        return self.model.inputs(inputs), self.model.targets(self.task, batch)
