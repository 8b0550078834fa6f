"""A model watched by wrapping the `call` of its layers; gradients as Keras's backend has them.

Keras has no hooks: a layer's `call` is an attribute like any other, and another one is put in its
place for a while. A gradient is the one thing that `keras.ops` cannot express.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_impl import training
from keras_impl.engine import trace, weights
from keras_impl.engine.computing import drawing_alike
from keras_impl.engine.methods import KerasMethods
from keras_impl.engine.model import KerasModel
from shared.boundary import by_name
from shared.interface import Arrays, Derivatives, Dropout, Slots, Trace
from shared.specs import Settings, Task

Function = Callable[[list[Any]], tuple[Any, Any]]


def differentiate(
    function: Function, variables: Sequence[Any], inputs: list[Any]
) -> tuple[Any, Any, list[Any]]:
    """A function's value, what it gives beside it, and the value's gradients.

    The gradients are by the variables, then by the tensors `inputs`, which the function is called
    with. None where the value does not depend on one.
    """
    runs_on = keras.backend.backend()
    if runs_on == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value, beside = function(inputs)
        places = [*(v.value for v in variables), *inputs]
        return value, beside, training.dense(tape.gradient(value, places))
    if runs_on == "torch":
        import torch

        inputs = [tensor.detach().requires_grad_() for tensor in inputs]
        value, beside = function(inputs)
        places = [*(v.value for v in variables), *inputs]
        if not value.requires_grad:
            return value, beside, [None] * len(places)
        return value, beside, list(torch.autograd.grad(value, places, allow_unused=True))

    import jax

    def stateless(values: list[Any], inputs: list[Any]) -> Any:
        # JAX knows no variables that change under way: values go in, and new ones come out.
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(mapping) as scope:
            value, beside = function(inputs)
        handed_in = {id(v) for v in variables}
        news = {k: v for k, v in scope.state_mapping.items() if k not in handed_in}
        return value, (beside, news)

    both = jax.value_and_grad(stateless, argnums=(0, 1), has_aux=True)
    (value, (beside, news)), (first, second) = both([v.value for v in variables], inputs)
    return value, (beside, news), [*first, *second]


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that TensorFlow compiles, where Keras runs on it; others stay as they are."""
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, autograph=False, reduce_retracing=True)


class KerasProbe:
    """Watches a model of this panel."""

    def __init__(self, model: KerasModel) -> None:
        self.model = model
        self.native = model.native
        self.trained = {n: slot for n, slot in model.slots.items() if slot.variable.trainable}
        self.layers = {prefix[:-1]: layer for prefix, layer in weights.walk(model.native)}
        self._compiled: dict[Task, Any] = {}
        self._steppers: dict[Any, KerasStepper] = {}

    def watch(
        self, inputs: Arrays, *, train: bool, dropout: Dropout = "off"
    ) -> dict[str, np.ndarray]:
        """What goes into and comes out of every named layer."""
        with self.unchanged(), drawing_alike(), self.watching(dropout) as seen:
            self.native(self.model.inputs(inputs), training=train)
            return seen.arrays(seen.calls)

    def trace(self, inputs: Arrays) -> Trace:
        """The operations of one pass."""
        del inputs  # their shapes are the network's
        names = {id(layer): name for name, layer in self.layers.items()}
        return trace.trace(self.native, self.model.network, names)

    def differentiate(self, batch: Arrays, task: Task, *, dropout: Dropout = "off") -> Derivatives:
        """Forward and backward in training mode."""
        with self.unchanged(), self.watching(dropout) as seen:
            inputs, targets = self._split(batch, task)
            value, beside, gradients = self.gradients(inputs, targets, task, seen)
            after = self.model.weights()
            floats = [n for n, spec in self.model.network.inputs.items() if spec.dtype == "float"]
            return Derivatives(
                seen.arrays(beside),
                np.array(ops.convert_to_numpy(value)),
                {
                    name: ops.convert_to_numpy(gradient).transpose(slot.axes).copy("C")
                    for (name, slot), gradient in zip(self.trained.items(), gradients, strict=False)
                    if gradient is not None
                },
                {
                    name: np.array(ops.convert_to_numpy(gradient))
                    for name, gradient in zip(floats, gradients[len(self.trained) :], strict=True)
                    if gradient is not None
                },
                {name: array for name, array in after.items() if name not in self.trained},
            )

    def _split(self, batch: Arrays, task: Task) -> tuple[list[Any], dict[str, Any]]:
        inputs = self.model.inputs({name: batch[name] for name in self.model.network.inputs})
        inputs = list(inputs) if isinstance(inputs, tuple) else [inputs]
        return inputs, self.model.targets(task, batch)

    def gradients(
        self, inputs: list[Any], targets: dict[str, Any], task: Task, seen: "_Seen"
    ) -> tuple[Any, Any, list[Any]]:
        """The loss, what the layers were seen to do, and the gradients by parameters and inputs."""
        network = self.model.network
        kinds = [spec.dtype == "float" for spec in network.inputs.values()]

        def loss(floats: list[Any]) -> tuple[Any, Any]:
            seen.calls.clear()
            rest = iter(floats)
            arguments = tuple(
                next(rest) if kind else x for x, kind in zip(inputs, kinds, strict=True)
            )
            outputs = self.native(arguments[0] if len(arguments) == 1 else arguments, training=True)
            value = training.total_loss(task, by_name(network.outputs, outputs), targets)
            return value, dict(seen.calls)

        floats = [x for x, kind in zip(inputs, kinds, strict=True) if kind]
        variables = [slot.variable for slot in self.trained.values()]
        value, beside, gradients = differentiate(loss, variables, floats)
        if keras.backend.backend() == "jax":
            beside, news = beside
            for variable in self.native.variables:
                if id(variable) in news:
                    variable.assign(news[id(variable)])
        return value, beside, gradients

    def compiled(self, task: Task) -> Any:
        """The gradients by parameters for (inputs, targets), without watching."""

        def step(inputs: list[Any], targets: dict[str, Any]) -> list[Any]:
            _, _, gradients = self.gradients(inputs, targets, task, _Seen())
            return gradients[: len(self.trained)]

        if task not in self._compiled:
            self._compiled[task] = _compiled(step)
        return self._compiled[task]

    def dropouts(self) -> dict[str, float]:
        """The dropout layers and their rates."""
        return {
            n: layer.rate for n, layer in self.layers.items() if isinstance(layer, layers.Dropout)
        }

    def methods(self) -> KerasMethods:
        """What calls the network's other methods."""
        return KerasMethods(self.model, differentiate)

    def stepper(
        self, task: Task, settings: Settings | None, learning_rate: float = 1e-3
    ) -> "KerasStepper":
        """An optimizer at work. It is traced once: the same one is given again, as if new."""
        key = (task, settings, learning_rate)
        if key not in self._steppers:
            self._steppers[key] = KerasStepper(self, task, settings, learning_rate)
        self._steppers[key].forget()
        return self._steppers[key]

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """The weights are as before afterwards: training mode changes batch norm's statistics."""
        before = self.model.weights()
        with self.model.computing():
            try:
                yield
            finally:
                self.model.load_weights(before)

    @contextmanager
    def watching(self, dropout: Dropout, everything: bool = True) -> Iterator["_Seen"]:
        """Every layer's `call` wrapped; loops unrolled: what a compiled loop holds stays in it."""
        seen = _Seen()
        wrapped: list[Any] = []
        loops: list[Any] = []
        for name, layer in self.layers.items():
            drops = isinstance(layer, layers.Dropout)
            if everything or drops:
                call = _dropping(name, layer, dropout) if drops else layer.call
                vars(layer)["call"] = seen.wrap(name, call, not any(weights.walk(layer)))
                wrapped.append(layer)
        if everything:
            loops = [part for part in self.native._flatten_layers() if isinstance(part, layers.RNN)]
        for loop in loops:
            loop.unroll = True
        try:
            yield seen
        finally:
            for layer in wrapped:
                del vars(layer)["call"]
            for loop in loops:
                loop.unroll = False


def _dropping(name: str, layer: layers.Dropout, dropout: Dropout) -> Any:
    """A dropout layer's `call` that does what is asked for in place of its own."""
    if dropout == "own":
        return layer.call

    def call(x: Any, training: bool | None = None) -> Any:
        if not training or not callable(dropout):
            return x
        kept = ops.convert_to_tensor(dropout(name, tuple(x.shape)), dtype=x.dtype)
        return x * kept / (1 - layer.rate)

    return call


def _is_traced(tensor: Any) -> bool:
    """Whether a tensor stands for values that are not known yet."""
    if keras.backend.backend() != "jax":
        return False
    import jax

    return isinstance(tensor, jax.core.Tracer)


class _Seen:
    """Tensors by name, every call's."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Any]] = {}

    def wrap(self, name: str, call: Any, leaf: bool) -> Any:
        """A `call` that notes the first input, of a leaf alone, and all outputs."""

        def note(key: str, value: Any) -> None:
            if ops.is_tensor(value):
                self.calls.setdefault(f"{name}:{key}", []).append(value)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            first = args[0] if args else None
            if leaf:
                note("in", first[0] if isinstance(first, (tuple, list)) else first)
            result = call(*args, **kwargs)
            for index, part in enumerate(result if isinstance(result, tuple) else (result,)):
                note(f"out{index or ''}", part)
            return result

        return wrapped

    @staticmethod
    def arrays(calls: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        """One array a name; several calls stacked.

        What ran in a branch of `ops.cond` has no values on JAX, which traces both: it is left out.
        """
        converted = {
            name: [np.array(ops.convert_to_numpy(tensor)) for tensor in tensors]
            for name, tensors in calls.items()
            if not any(map(_is_traced, tensors))
        }
        return {
            name: np.stack(arrays) if len(arrays) > 1 else arrays[0]
            for name, arrays in converted.items()
            if len({array.shape for array in arrays}) == 1
        }


class KerasStepper:
    """An optimizer over the model's trained variables."""

    def __init__(
        self, probe: KerasProbe, task: Task, settings: Settings | None, learning_rate: float
    ) -> None:
        self.probe, self.model, self.task = probe, probe.model, task
        self.variables = [slot.variable for slot in probe.trained.values()]
        with self.model.computing():
            self.optimizer = (
                training.make_optimizer(settings)
                if settings
                else keras.optimizers.Adam(learning_rate)
            )
            self.optimizer.build(self.variables)
        self.apply = _compiled(lambda gradients: self.optimizer.apply(gradients, self.variables))

    def forget(self) -> None:
        """Be as before the first step."""
        with self.model.computing():
            self.optimizer.iterations.assign(0)
            for variables in self._places().values():
                for variable in variables:
                    variable.assign(np.zeros(variable.shape, variable.dtype))

    def step(self, batch: Arrays) -> None:
        """One step without dropout."""
        probe = self.probe
        with self.model.computing(), probe.watching("off", everything=False):
            gradients = probe.compiled(self.task)(*probe._split(batch, self.task))
            self.apply(gradients)

    def _places(self) -> dict[str, list[Any]]:
        """Each slot's variables in the order of the parameters, by its name in PyTorch."""
        if isinstance(self.optimizer, keras.optimizers.SGD):
            return {"momentum_buffer": self.optimizer.momentums} if self.optimizer.momentum else {}
        return {"exp_avg": self.optimizer._momentums, "exp_avg_sq": self.optimizer._velocities}

    def slots(self) -> Slots:
        """The optimizer's state by parameter."""
        slots: Slots = {name: {} for name in self.probe.trained}
        for slot, variables in self._places().items():
            for (name, place), variable in zip(self.probe.trained.items(), variables, strict=True):
                array = ops.convert_to_numpy(variable.value).transpose(place.axes)
                slots[name][slot] = np.array(array, order="C")
        return slots

    def load_slots(self, slots: Slots, steps: int) -> None:
        """Take another optimizer's state."""
        with self.model.computing():
            self.optimizer.iterations.assign(steps)
            for slot, variables in self._places().items():
                for (name, place), variable in zip(
                    self.probe.trained.items(), variables, strict=True
                ):
                    array = slots[name][slot].transpose(np.argsort(place.axes))
                    variable.assign(np.array(array, variable.dtype, order="C"))
