"""The tuned way on TensorFlow: a train step of one's own, compiled whole, on tensors.

What `fit` does besides is left out: data sets, callbacks, metrics that are kept as state. XLA
(`jit_compile`) is slower than TensorFlow's own kernels on a CPU, and is not asked for.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor

from keras_impl.training import Measured, make_optimizer
from shared.specs import Settings, Task


def tuned(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors as one graph, the same for every size of the batch."""
    # autograph rewrites Python's `if` and `for` over tensors; there are none.
    return tf.function(function, reduce_retracing=True, autograph=False)


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
