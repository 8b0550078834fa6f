"""Flax behind the shared interface: NumPy in, NumPy out."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import traverse_util
from jax import Array

from flax_impl import compiling, training, weights
from flax_impl.inference import InferenceModel
from flax_impl.precision import Mixed
from flax_impl.probe import FlaxProbe, in_mode
from flax_impl.tuning import tuned
from shared.errors import DeviceMissingError
from shared.interface import (
    Arrays,
    Backend,
    Model,
    Place,
    Probe,
    TensorInfo,
    by_name,
    check_build,
    check_decodes,
    check_inputs,
    check_proved,
    construct,
    kept,
    seen_outputs,
)
from shared.interface import Trainer as SharedTrainer
from shared.specs import Network, Settings, Task


@contextmanager
def _computing(dtype: str, device: str) -> Iterator[None]:
    """JAX turns float64 into float32 unless told otherwise, and puts arrays on its own choice."""
    with jax.enable_x64(dtype == "float64"), jax.default_device(jax.devices(device)[0]):
        yield


def _inside(variables: weights.Variables) -> weights.Variables:
    """A network's variables as those of the InferenceModel around it."""
    return {name: {"base_model": tree} for name, tree in variables.items()}


class FlaxModel:
    """A module with its variables, network, dtype and device."""

    def __init__(
        self,
        network: Network,
        native: nn.Module,
        variables: weights.Variables,
        layout: weights.Layout,
        dtype: str,
        device: str,
        way: str = "idiomatic",
    ) -> None:
        self.network = network
        self.native = native
        self.variables = variables
        self.dtype = dtype
        self.device = device
        self.way = way
        self.slots, self.names, self.dropouts = layout
        # What computes: with the same variables, in the model's dtype.
        self.computed = Mixed(native) if dtype == "bfloat16" else native
        computed = self.computed
        still, mode = in_mode(computed, train=False)
        self._apply = self.compiled(partial(still.apply, **mode))
        self._predict = self.compiled(
            lambda variables, inputs: InferenceModel(computed).apply(
                _inside(variables), inputs, return_confidence=True, method="predict"
            )
        )
        self._decode = self.compiled(
            lambda variables, inputs: InferenceModel(computed).apply(
                _inside(variables), *inputs, method="decode"
            )
        )

    def compiled(
        self, function: Callable[..., Any], purpose: str = "inference"
    ) -> Callable[..., Any]:
        """The function compiled, in the model's way."""
        # XLA's primitives are slow on a CPU alone.
        slow = self.way == "tuned" and self.device == "cpu"
        if slow:
            compiling.give_memory_back()
        # float32 is compiled as people run it; float64 is asked for what a network means.
        options = compiling.quickly(self.variables) if self.dtype == "float64" else None
        return jax.jit(tuned(function, purpose) if slow else function, compiler_options=options)

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

    def computing(self) -> Any:
        """A context in which JAX computes in the model's dtype on its device."""
        return _computing(self.dtype, self.device)

    def inputs(self, arrays: Arrays, network: Network | None = None) -> tuple[Array, ...]:
        """The network's inputs as arrays on its device; images are NHWC here too."""
        return tuple(map(jnp.asarray, check_inputs(network or self.network, arrays, self.dtype)))

    def targets(self, task: Task, batch: Arrays) -> dict[str, Array]:
        """The task's targets as arrays on the model's device."""
        targets = {o.target: batch[o.target] for o in task.objectives}
        return {
            name: jnp.asarray(array, dtype=kept(self.dtype) if array.dtype.kind == "f" else None)
            for name, array in targets.items()
        }

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Outputs by name in evaluation mode."""
        with self.computing():
            outputs = self._apply(self.variables, *self.inputs(inputs))
            named = by_name(self.network.outputs, outputs)
            return {name: np.array(array) for name, array in named.items()}

    def predict(self, inputs: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Classes and their probabilities."""
        with self.computing():
            classes, confidence = self._predict(self.variables, self.inputs(inputs))
            return np.array(classes, np.int32), np.array(confidence)

    def decode(self, inputs: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Tokens, and the attention with which they were written."""
        network = check_decodes(self.network, self.native)
        with self.computing():
            tokens, attention = self._decode(self.variables, self.inputs(inputs, network))
            return np.array(tokens, np.int32), np.array(attention)

    def probe(self) -> Probe:
        """What watches this model."""
        check_proved(self.dtype)
        return FlaxProbe(self)

    def trainer(self, task: Task, settings: Settings, seed: int) -> SharedTrainer:
        """An optimizer at work on this model."""
        return FlaxTrainer(self, task, settings, seed)

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        """Tell a network that keeps a log of its training."""
        if hasattr(self.native, "record_epoch"):
            self.native.record_epoch(loss, train_accuracy, val_accuracy)


class FlaxTrainer:
    """`training.Trainer` for batches of NumPy arrays; the model has the newest variables."""

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
                model.compiled,
            )

    def train_step(self, batch: Arrays) -> Mapping[str, Any]:
        """One optimizer step."""
        with self.model.computing():
            result = self.native.train_step(*self._split(batch))
        self.model.variables = self.native.variables
        return result

    def evaluation_step(self, batch: Arrays) -> Mapping[str, Any]:
        """The same figures in evaluation mode."""
        with self.model.computing():
            return self.native.evaluation_step(*self._split(batch))

    def _split(self, batch: Arrays) -> tuple[tuple[Array, ...], dict[str, Array]]:
        inputs = {name: batch[name] for name in self.model.network.inputs}
        return self.model.inputs(inputs), self.model.targets(self.task, batch)


class FlaxBackend:
    """Builds the classes of `flax_impl`."""

    name = "flax"
    unbiased_variance = False

    def versions(self) -> dict[str, str]:
        """The versions of JAX, Flax and optax."""
        return {"jax": jax.__version__, "flax": flax.__version__, "optax": optax.__version__}

    def resolved(self) -> dict[str, str]:
        """Compilation and precision as they are in this process; threads are one a CPU."""
        settings = jax.config.values
        folder = settings["jax_compilation_cache_dir"]
        cached = folder and settings["jax_enable_compilation_cache"]
        return {
            "platform": jax.default_backend(),
            "jit": "off" if settings["jax_disable_jit"] else "on",
            "compilation cache": "on" if cached else "off",
            "float32 products": settings["jax_default_matmul_precision"] or "default",
        }

    def devices(self) -> list[str]:
        """The CPU, and the GPU if JAX can use it."""
        try:
            return ["cpu", "cuda"] if jax.devices("cuda") else ["cpu"]
        except RuntimeError:
            return ["cpu"]

    def use_highest_precision(self) -> None:
        """Turn TF32 off, which JAX may use for float32 products on a GPU."""
        jax.config.update("jax_default_matmul_precision", "highest")

    def build(
        self,
        network: Network,
        *,
        seed: int | None = 0,
        dtype: str = "float32",
        device: str = "cpu",
        way: str = "tuned",
    ) -> Model:
        """A network with Flax's own initial weights."""
        check_build(dtype, device, way)
        if device not in self.devices():
            raise DeviceMissingError(
                "flax finds no CUDA device on this machine; use the device cpu, or install JAX "
                "for this machine's GPU: pip install 'jax[cuda13]'"
            )
        module = construct("flax_impl", network)
        with _computing(dtype, device):
            example = [
                jnp.zeros(
                    (1, *tensor.shape), "float32" if tensor.dtype == "float" else tensor.dtype
                )
                for tensor in network.inputs.values()
            ]
            layout = weights.layout(module, *example)
            key = jax.random.key(seed or 0)
            if seed is None:  # to draw weights is compiled longer than a network runs
                shapes = jax.eval_shape(module.init, key, *example)
                variables = jax.tree.map(lambda x: jnp.asarray(np.zeros(x.shape)), shapes)
            else:
                init = jax.jit(module.init, compiler_options=compiling.quickly())
                variables = init(key, *example)
            # Flax computes in the dtype that variables and inputs have: no layer needs to say it.
            variables = jax.tree.map(lambda array: array.astype(kept(dtype)), variables)
        return FlaxModel(network, module, variables, layout, dtype, device, way)

    def wrap(
        self, network: Network, native: Any, inputs: Arrays, *, dtype: str, device: str = "cpu"
    ) -> Model:
        """Somebody's own module with a copy of its variables."""
        check_build(dtype, device)
        check_proved(dtype)
        module, variables = native
        still, mode = in_mode(module, train=False)
        with _computing(dtype, device):
            example = [jnp.asarray(array) for array in check_inputs(network, inputs, dtype)]
            layout = weights.layout(still, *example, **mode)
            variables = weights.taken(variables, layout.slots, dtype)
            outputs = jax.jit(partial(still.apply, **mode))(variables, *example)
            arrays = jax.tree.map(np.asarray, outputs)
        network = replace(network, outputs=seen_outputs(arrays))
        return FlaxModel(network, module, variables, layout, dtype, device)


BACKEND: Backend = FlaxBackend()
