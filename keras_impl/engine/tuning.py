"""The tuned variant on TensorFlow: a train step of one's own, compiled whole, on tensors.

What `fit` does besides is left out: data sets, callbacks, metrics that are kept as state. XLA
(`jit_compile`) is slower than TensorFlow's own kernels on a CPU, and is not asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor

from keras_impl.training import Measured, make_optimizer
from shared.specs import Settings, Task


def tuned(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors as one graph, the same for every size of the batch."""

    @wraps(function)
    def recorded(*arguments: Any) -> Any:
        with _pooling_first():
            return function(*arguments)

    # autograph rewrites Python's `if` and `for` over tensors; there are none.
    return tf.function(recorded, reduce_retracing=True, autograph=False)


@contextmanager
def _pooling_first() -> Iterator[None]:
    """While a graph is recorded: max-pooling takes what ReLU was given, ReLU what it leaves.

    The largest of what ReLU leaves is what ReLU leaves of the largest, and a quarter of the pixels
    is less work; the gradient goes to the same pixel, the first of the largest, or nowhere.
    """
    pool = tf.nn.max_pool

    def exchanged(x: Any, *arguments: Any) -> Any:
        if tf.is_symbolic_tensor(x) and x.op.type == "Relu":
            return tf.nn.relu(pool(x.op.inputs[0], *arguments))
        return pool(x, *arguments)

    # Keras looks it up when it is called, and graphs are recorded one at a time.
    tf.nn.max_pool = exchanged
    try:
        yield
    finally:
        tf.nn.max_pool = pool


class TunedTrainer:
    """A model with its optimizer: a gradient tape, and variables that are changed in place."""

    def __init__(
        self, model: keras.Model, outputs: list[str], task: Task, settings: Settings
    ) -> None:
        measured = Measured(model, outputs, task)
        optimizer = make_optimizer(settings)
        # Made here: a tf.function may not make variables on a later call.
        optimizer.build(model.trainable_variables)

        @tuned
        def train_step(inputs: Any, targets: Mapping[str, KerasTensor]) -> dict[str, KerasTensor]:
            with tf.GradientTape() as tape:
                result = measured((inputs, targets), training=True)
            gradients = tape.gradient(result["loss"], model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)
            return result

        @tuned
        def evaluation_step(
            inputs: Any, targets: Mapping[str, KerasTensor]
        ) -> dict[str, KerasTensor]:
            return measured((inputs, targets), training=False)

        self.optimizer = optimizer
        self._train_step = train_step
        self._evaluation_step = evaluation_step

    def train_step(
        self, inputs: Any, targets: Mapping[str, KerasTensor]
    ) -> Mapping[str, KerasTensor]:
        """One optimizer step."""
        return self._train_step(inputs, targets)

    def evaluation_step(
        self, inputs: Any, targets: Mapping[str, KerasTensor]
    ) -> Mapping[str, KerasTensor]:
        """The same figures in evaluation mode."""
        return self._evaluation_step(inputs, targets)
