"""Loss, train step and evaluation step as Keras code usually has them.

`Trainer` is the custom loop on TensorFlow: a gradient tape, an optimizer that changes the
variables in place, compiled by `tf.function`. `CompiledTrainer` hands the same losses to `compile`
and `train_on_batch`, which work on every backend that Keras has. The mode is an argument.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import KerasTensor, ops

from shared.interface import by_name
from shared.specs import Settings, Task


def make_optimizer(settings: Settings) -> keras.optimizers.Optimizer:
    """The optimizer that the settings name."""
    if settings.optimizer == "sgd":
        return keras.optimizers.SGD(settings.learning_rate, momentum=settings.momentum)
    # Keras's own epsilon is 1e-7. It also stands beside the uncorrected root of the second
    # moment, so the first steps still differ from the other two by a trace.
    return keras.optimizers.Adam(settings.learning_rate, epsilon=1e-8)


def total_loss(
    task: Task, outputs: Mapping[str, KerasTensor], targets: Mapping[str, KerasTensor]
) -> dict[str, KerasTensor]:
    """The sum of the objectives' batch means, and how many examples the first one gets right."""
    terms: list[Any] = []
    for objective in task.objectives:
        output, target = outputs[objective.output], targets[objective.target]
        if objective.loss == "cross_entropy":
            term = ops.mean(
                keras.losses.sparse_categorical_crossentropy(target, output, from_logits=True)
            )
        else:
            term = ops.mean(ops.square(output - target))
        terms.append(objective.weight * term)
    first = task.objectives[0]
    classes = ops.argmax(outputs[first.output], axis=-1)
    right = ops.equal(classes, ops.cast(targets[first.target], classes.dtype))
    return {"loss": sum(terms), "correct": ops.sum(ops.cast(right, "int32"))}


class Trainer:
    """A model with its optimizer, on TensorFlow. Inputs are one tensor or a tuple."""

    def __init__(
        self, model: keras.Model, outputs: list[str], task: Task, settings: Settings
    ) -> None:
        import tensorflow as tf

        optimizer = make_optimizer(settings)
        # Made here: a tf.function may not make variables on a later call.
        optimizer.build(model.trainable_variables)

        # autograph rewrites Python's `if` and `for` over tensors; there are none.
        @tf.function(reduce_retracing=True, autograph=False)
        def train_step(inputs: Any, targets: Mapping[str, KerasTensor]) -> dict[str, KerasTensor]:
            with tf.GradientTape() as tape:
                found = by_name(outputs, model(inputs, training=True))
                result = total_loss(task, found, targets)
            gradients = tape.gradient(result["loss"], model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)
            return result

        @tf.function(reduce_retracing=True, autograph=False)
        def evaluation_step(
            inputs: Any, targets: Mapping[str, KerasTensor]
        ) -> dict[str, KerasTensor]:
            return total_loss(task, by_name(outputs, model(inputs, training=False)), targets)

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


class CompiledTrainer:
    """The same through `compile`, `train_on_batch` and `test_on_batch`, on any Keras backend."""

    def __init__(
        self, model: keras.Model, outputs: list[str], task: Task, settings: Settings
    ) -> None:
        by_output = {objective.output: objective for objective in task.objectives}
        self.model = model
        self.objectives = [by_output[name] for name in outputs]
        losses = [
            keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            if objective.loss == "cross_entropy"
            else keras.losses.MeanSquaredError()
            for objective in self.objectives
        ]
        correct = keras.metrics.MeanMetricWrapper(
            keras.metrics.sparse_categorical_accuracy, name="correct"
        )
        first = task.objectives[0]
        metrics = [[correct] if o is first else [] for o in self.objectives]
        weights = [objective.weight for objective in self.objectives]
        single = len(outputs) == 1
        model.compile(
            make_optimizer(settings),
            loss=losses[0] if single else losses,
            loss_weights=None if single else weights,
            metrics=metrics[0] if single else metrics,
        )

    def train_step(self, inputs: Any, targets: Mapping[str, KerasTensor]) -> Mapping[str, Any]:
        """One optimizer step."""
        return self._step(self.model.train_on_batch, inputs, targets)

    def evaluation_step(self, inputs: Any, targets: Mapping[str, KerasTensor]) -> Mapping[str, Any]:
        """The same figures in evaluation mode."""
        return self._step(self.model.test_on_batch, inputs, targets)

    def _step(
        self, on_batch: Any, inputs: Any, targets: Mapping[str, KerasTensor]
    ) -> Mapping[str, Any]:
        self.model.reset_metrics()  # Keras's figures are means since the last reset
        ordered = tuple(targets[objective.target] for objective in self.objectives)
        logs = on_batch(inputs, ordered[0] if len(ordered) == 1 else ordered, return_dict=True)
        accuracy = next(value for name, value in logs.items() if name.endswith("correct"))
        count = len(ordered[0])
        return {"loss": logs["loss"], "correct": round(float(accuracy) * count)}
