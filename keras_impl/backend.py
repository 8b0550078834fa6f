"""Keras behind the shared interface: NumPy in, NumPy out."""

import importlib.metadata
import inspect
import math
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_impl import training, weights
from keras_impl.inference import InferenceModel
from keras_impl.precision import Mixed
from keras_impl.probe import KerasProbe
from shared.errors import ConfigurationError, DeviceMissingError
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
    """Keras has one global dtype, which layers take when they are made and losses when they run.

    Where the two are not one, layers have the policy of mixed precision.
    """
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    # Without an index: torch takes "cpu" and "cpu:0" for two places, and would copy variables.
    with keras.device("gpu" if device == "cuda" else "cpu"):
        keras.config.set_floatx(kept(dtype))
        keras.config.set_dtype_policy("mixed_bfloat16" if dtype == "bfloat16" else dtype)
        try:
            yield
        finally:
            keras.config.set_floatx(floatx)
            keras.config.set_dtype_policy(policy)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed what Keras draws from, and leave all other generators as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")  # Keras seeds it too, if somebody has imported it
    torch_state = torch.get_rng_state() if torch else None
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch:
            torch.set_rng_state(torch_state)


def _seed_dropout(model: keras.Model, seed: int) -> None:
    """Seed the generators that dropout draws from: each layer's own, or PyTorch's global one."""
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)
    for index, (_, layer) in enumerate(weights.walk(model)):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign(np.array([seed, index], generator.state.dtype))


@contextmanager
def _resting(dropouts: list[keras.layers.Dropout]) -> Iterator[None]:
    """A context in which dropout layers do nothing; what is compiled in it stays so."""
    rates = [layer.rate for layer in dropouts]
    for layer in dropouts:
        layer.rate = 0
    try:
        yield
    finally:
        for layer, rate in zip(dropouts, rates, strict=True):
            layer.rate = rate


def _finds_gpu() -> bool:
    """Whether the framework that Keras runs on can use a GPU here."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.is_available()
    try:
        return bool(keras.distribution.list_devices("gpu"))
    except RuntimeError:  # JAX, where it has no GPU
        return False


class KerasModel:
    """A built model with its network, dtype, device and way."""

    def __init__(
        self,
        network: Network,
        native: keras.Model,
        dtype: str,
        device: str,
        way: str = "idiomatic",
    ) -> None:
        self.network = network
        self.native = native
        # What computes: the same variables, and outputs of their dtype.
        self.computed = Mixed(native) if dtype == "bfloat16" else native
        self.dtype = dtype
        self.device = device
        self.way = way
        self.slots = weights.layout(native)

    @cached_property
    def still(self) -> Callable[[Any], Any]:
        """The model in evaluation mode, in its way."""

        def still(inputs: Any) -> Any:
            return self.computed(inputs, training=False)

        if self.way == "idiomatic" or keras.backend.backend() != "tensorflow":
            return still
        from keras_impl.tuning import tuned

        return tuned(still)

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

    def computing(self) -> Any:
        """A context in which Keras computes in the model's dtype on its device."""
        return _computing(self.dtype, self.device)

    def inputs(self, arrays: Arrays) -> Any:
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

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Outputs by name in evaluation mode."""
        with self.computing():
            outputs = self.still(self.inputs(inputs))
            named = by_name(self.network.outputs, outputs)
            return {name: np.array(ops.convert_to_numpy(t)) for name, t in named.items()}

    def predict(self, inputs: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Classes and their probabilities."""
        with self.computing():
            wrapper = self._frozen()
            classes, confidence = wrapper.predict(self.inputs(inputs), return_confidence=True)
            return (
                ops.convert_to_numpy(classes).astype(np.int32),
                np.array(ops.convert_to_numpy(confidence)),
            )

    def decode(self, inputs: Arrays) -> tuple[np.ndarray, np.ndarray]:
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

    def probe(self) -> Probe:
        """What watches this model."""
        check_proved(self.dtype)
        return KerasProbe(self)

    def trainer(self, task: Task, settings: Settings, seed: int) -> SharedTrainer:
        """An optimizer at work on this model."""
        return KerasTrainer(self, task, settings, seed)

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        """Tell a network that keeps a log of its training."""
        if hasattr(self.native, "record_epoch"):
            self.native.record_epoch(loss, train_accuracy, val_accuracy)


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
        with _computing(dtype, device):
            for variable in native.variables:
                kind = dtype if _is_floating(variable.dtype) else variable.dtype
                array = np.array(ops.convert_to_numpy(variable.value), kind)
                copy = keras.Variable(array, dtype=kind, trainable=variable.trainable)
                self._mine += [(variable, "_value", copy._value), (variable, "_dtype", kind)]
        for layer in native._flatten_layers():
            self._mine.append((layer, "_dtype_policy", policy))
            if isinstance(layer, keras.Function):
                places = [x for x in layer.inputs if _is_floating(x.dtype)]
                self._mine += [(place, "_dtype", dtype) for place in places]

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
            if self.dtype == "float64" and keras.backend.backend() == "tensorflow":
                stack.enter_context(_exact_activations())
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


@contextmanager
def _exact_activations() -> Iterator[None]:
    """TensorFlow's activations, without constants that it rounds to float32 in float64 too.

    An error of 5e-9 would hide which layer is the first that differs.
    """
    import tensorflow as tf

    def gelu(x: Any, approximate: bool = False) -> Any:
        if approximate:
            inner = tf.constant(math.sqrt(2 / math.pi), x.dtype)
            cubed = tf.constant(0.044715, x.dtype) * x * x * x
            return 0.5 * x * (1 + tf.tanh(inner * (x + cubed)))
        return 0.5 * x * (1 + tf.math.erf(x * tf.constant(math.sqrt(0.5), x.dtype)))

    def leaky_relu(x: Any, alpha: float = 0.2) -> Any:
        return tf.where(x > 0, x, tf.constant(alpha, x.dtype) * x)

    before = {name: getattr(tf.nn, name) for name in ("gelu", "leaky_relu")}
    tf.nn.gelu, tf.nn.leaky_relu = gelu, leaky_relu
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(tf.nn, name, function)


class KerasTrainer:
    """A trainer of `training` for batches of NumPy arrays."""

    def __init__(self, model: KerasModel, task: Task, settings: Settings, seed: int) -> None:
        self.model = model
        self.task = task
        kind: Any = training.Trainer
        if model.way == "tuned" and keras.backend.backend() == "tensorflow":
            from keras_impl.tuning import TunedTrainer

            kind = TunedTrainer
        with model.computing():
            _seed_dropout(model.native, seed)
            dropouts = [
                layer
                for _, layer in weights.walk(model.computed)
                if isinstance(layer, keras.layers.Dropout)
            ]
            self.resting = [] if settings.dropout else dropouts
            self.native = kind(model.computed, list(model.network.outputs), task, settings)

    def train_step(self, batch: Arrays) -> Mapping[str, Any]:
        """One optimizer step."""
        with self.model.computing(), _resting(self.resting):
            return self.native.train_step(*self._split(batch))

    def evaluation_step(self, batch: Arrays) -> Mapping[str, Any]:
        """The same figures in evaluation mode."""
        with self.model.computing():
            return self.native.evaluation_step(*self._split(batch))

    def _split(self, batch: Arrays) -> tuple[Any, dict[str, Any]]:
        inputs = {name: batch[name] for name in self.model.network.inputs}
        return self.model.inputs(inputs), self.model.targets(self.task, batch)


def _check_exact(dtype: str) -> None:
    """Raise ConfigurationError where Keras's framework cannot compute in a dtype throughout."""
    if keras.backend.result_type(dtype, "float32") != dtype:
        raise ConfigurationError(
            f"keras on {keras.backend.backend()} computes float64 networks partly in float32; "
            "use float32, or Keras on TensorFlow"
        )


def _check_call(native: keras.Model) -> None:
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


class KerasBackend:
    """Builds the classes of `keras_impl`, on whichever backend Keras runs."""

    name = "keras"
    unbiased_variance = False

    def versions(self) -> dict[str, str]:
        """The versions of Keras and of the framework that it runs on."""
        runs_on = keras.backend.backend()
        return {"keras": keras.__version__, runs_on: importlib.metadata.version(runs_on)}

    def resolved(self) -> dict[str, str]:
        """Threads, compilation and precision as they are in this process."""
        model = keras.Sequential()
        model.compile()
        found = {
            "runs on": keras.backend.backend(),
            "jit_compile=auto": "XLA" if model.jit_compile else "no XLA",
            "images": keras.config.image_data_format(),
        }
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            threads = tf.config.threading.get_intra_op_parallelism_threads()
            found["threads"] = str(threads or "one a CPU")
            tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
            found["TF32"] = "on" if tf32 else "off"
        return found

    def devices(self) -> list[str]:
        """The CPU, and the GPU if Keras's backend can use it."""
        return ["cpu", "cuda"] if _finds_gpu() else ["cpu"]

    def use_highest_precision(self) -> None:
        """Turn TF32 off in the framework that Keras runs on."""
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.enable_tensor_float_32_execution(False)
        elif keras.backend.backend() == "jax":
            import jax

            jax.config.update("jax_default_matmul_precision", "highest")
        else:
            import torch

            torch.backends.cudnn.allow_tf32 = False

    def build(
        self,
        network: Network,
        *,
        seed: int | None = 0,
        dtype: str = "float32",
        device: str = "cpu",
        way: str = "tuned",
    ) -> Model:
        """A network with Keras's own initial weights."""
        check_build(dtype, device, way)
        _check_exact(kept(dtype))
        if device not in self.devices():
            raise DeviceMissingError(
                f"keras on {keras.backend.backend()} finds no CUDA device on this machine; use the "
                "device cpu, or install that framework for this machine's GPU"
            )
        with _computing(dtype, device), _seeded(seed or 0):
            native = construct("keras_impl", network)
            # Keras makes a layer's variables when it first sees an input.
            zeros = tuple(
                ops.zeros(
                    (1, *tensor.shape), kept(dtype) if tensor.dtype == "float" else tensor.dtype
                )
                for tensor in network.inputs.values()
            )
            native(zeros[0] if len(zeros) == 1 else zeros)
        return KerasModel(network, native, dtype, device, way)

    def wrap(
        self, network: Network, native: Any, inputs: Arrays, *, dtype: str, device: str = "cpu"
    ) -> Model:
        """Somebody's own model, with values of its own."""
        check_build(dtype, device)
        check_proved(dtype)
        if not native.built:
            raise ConfigurationError(
                "a Keras model has no weights until it has seen an input: call it once before"
            )
        weights.layout(native)  # that there is a rule for every layer
        _check_exact(dtype)
        _check_call(native)
        model = OwnKerasModel(network, native, dtype, device)
        with model.computing():
            outputs = model.native(model.inputs(inputs), training=False)
            found = keras.tree.map_structure(ops.convert_to_numpy, outputs)
        model.network = replace(network, outputs=seen_outputs(found))
        return model


BACKEND: Backend = KerasBackend()
