"""Loss, train step and evaluation step as Keras code usually has them.

`Trainer` hands the losses to `compile` and `train_on_batch`, which work on every backend that Keras
has. The tuned variant on TensorFlow is the custom loop of `engine.tuning`, with the same losses.
The mode is an argument.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from shared.boundary import by_name
from shared.specs import Settings, Task


def dense(gradients: Sequence[Any]) -> list[Any]:
    """Gradients as whole tensors.

    On TensorFlow that of an embedding comes as a list of rows, two of them for a token that stands
    twice. Added to the variable they are right; but Keras's Adam squares, and its clipping
    measures, each row by itself.
    """
    if keras.backend.backend() != "tensorflow":
        return list(gradients)
    import tensorflow as tf

    return [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients]


class WholeGradients(keras.optimizers.Optimizer):
    """Gradients as whole tensors, before anything is done with them."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """Keras's own, of `dense` gradients."""
        return super().apply(dense(grads), trainable_variables)


class PaperEpsilon(WholeGradients):
    """Epsilon beside the corrected root of the second moment, as the paper has it.

    Keras has it beside the uncorrected root, which the first step shrinks to a thirtieth. So it
    must shrink alike: epsilon sqrt(1 - beta_2^t) there is epsilon here.
    """

    epsilon: Any

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Keras's own step with the epsilon of this step."""
        epsilon, step = self.epsilon, ops.cast(self.iterations + 1, variable.dtype)
        self.epsilon = epsilon * ops.sqrt(
            1 - ops.power(ops.cast(self.beta_2, variable.dtype), step)
        )
        try:
            super().update_step(gradient, variable, learning_rate)
        finally:
            self.epsilon = epsilon


class SGD(WholeGradients, keras.optimizers.SGD):
    """Stochastic gradient descent whose momentum sums gradients, as PyTorch's and optax's do.

    Keras's sums steps (Sutskever et al., ICML 2013): in them each gradient keeps the learning rate
    of its own time. Here the rate of now multiplies the sum. A rate that changes tells the two
    apart.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Keras's own step, with the learning rate outside of the sum."""
        gradient = ops.cast(gradient, variable.dtype)
        if self.momentum:
            momentum = ops.cast(self.momentum, variable.dtype)
            total = self.momentums[self._get_variable_index(variable)]
            self.assign(total, total * momentum + gradient)
            gradient = total * momentum + gradient if self.nesterov else total
        self.assign_sub(variable, gradient * ops.cast(learning_rate, variable.dtype))


class Adam(PaperEpsilon, keras.optimizers.Adam):
    """Adam as Kingma and Ba have it."""


class AdamW(PaperEpsilon, keras.optimizers.AdamW):
    """Adam with decoupled weight decay."""


def exact(value: float) -> Any:
    """A hyperparameter with all its digits where Keras computes in float64.

    Python's floats become float32 on TensorFlow, whatever they meet; NumPy's keep their digits.
    """
    return np.float64(value) if keras.config.floatx() == "float64" else float(value)


def make_schedule(settings: Settings) -> Any:
    """The learning rate by the step, up in a line and down along half a cosine, or one number."""
    rate, warmup, decay = settings.learning_rate, settings.warmup_steps or 0, settings.decay_steps
    if not warmup and not decay:
        return exact(rate)
    return keras.optimizers.schedules.CosineDecay(
        exact(rate / (warmup + 1)),
        decay or 1,
        alpha=0.0 if decay else 1.0,  # falls to 0, or stays where it is
        warmup_target=exact(rate) if warmup else None,
        warmup_steps=warmup,
    )


def make_optimizer(settings: Settings) -> keras.optimizers.Optimizer:
    """The optimizer that the settings name."""
    rate = make_schedule(settings)
    clip = {"global_clipnorm": settings.clip_norm}  # `clipnorm` is for each variable by itself
    if settings.optimizer == "sgd":
        return SGD(rate, exact(settings.momentum), settings.nesterov, **clip)
    adam = {
        "beta_1": exact(0.9),
        "beta_2": exact(0.999),
        "epsilon": exact(settings.epsilon),
        **clip,
    }
    if settings.optimizer == "adamw":
        return AdamW(rate, exact(settings.weight_decay), **adam)
    return Adam(rate, **adam)


def total_loss(
    task: Task, outputs: Mapping[str, KerasTensor], targets: Mapping[str, KerasTensor]
) -> KerasTensor:
    """The sum of the objectives' means."""
    terms: list[Any] = []
    for objective in task.objectives:
        output, target = outputs[objective.output], targets[objective.target]
        if objective.loss == "cross_entropy":
            labels, counts = ops.maximum(target, 0), ops.cast(target >= 0, output.dtype)
            losses = keras.losses.sparse_categorical_crossentropy(labels, output, from_logits=True)
            if objective.smoothing:
                even = ops.logsumexp(output, axis=-1) - ops.mean(output, axis=-1)
                losses = (1 - objective.smoothing) * losses + objective.smoothing * even
            term = ops.sum(losses * counts) / ops.maximum(ops.sum(counts), 1)
        else:
            term = ops.mean(ops.square(output - target))
        terms.append(objective.weight * term)
    return sum(terms)  # type: ignore[return-value]


def measure(
    task: Task, outputs: Mapping[str, KerasTensor], targets: Mapping[str, KerasTensor]
) -> dict[str, KerasTensor]:
    """The loss, and what the task's metrics are counted from."""
    return {"loss": total_loss(task, outputs, targets), **count(task, outputs, targets)}


def number(truths: KerasTensor, axis: int | None = None) -> KerasTensor:
    """How many of them are true."""
    return ops.sum(ops.cast(truths, "int32"), axis=axis)


def count(
    task: Task, outputs: Mapping[str, KerasTensor], targets: Mapping[str, KerasTensor]
) -> dict[str, KerasTensor]:
    """What the task's metrics are made of: sums that may be added up over batches."""
    first = task.objectives[0]
    logits, labels = outputs[first.output], targets[first.target]
    likeliest = ops.cast(ops.argmax(logits, axis=-1), labels.dtype)
    sums = {"correct": number(likeliest == labels), "counted": number(labels >= 0)}
    if "mean_iou" in task.metrics:
        size = logits.shape[-1]
        classes = ops.arange(size, dtype=labels.dtype)
        predicted = ops.reshape(likeliest[..., None] == classes, (-1, size))  # (labels, K)
        true = ops.reshape(labels[..., None] == classes, (-1, size))
        sums["intersection"] = number(ops.logical_and(predicted, true), axis=0)
        sums["union"] = number(ops.logical_or(predicted, true), axis=0)
    if "left_early" in task.metrics:
        early = outputs[task.objectives[1].output]
        sums["left"] = number(ops.all(logits == early, axis=-1))
    return sums


def count_decoded(
    task: Task,
    outputs: Mapping[str, KerasTensor],
    targets: Mapping[str, KerasTensor],
    tokens: KerasTensor,
) -> dict[str, KerasTensor]:
    """The digits in sequences, and how many of them are in their place in decoded tokens."""
    first = task.objectives[0]
    expected = targets[first.target]
    end = outputs[first.output].shape[-1] - 1  # the last class is the end of a sequence
    digits = ops.logical_and(expected >= 0, expected < end)
    return {
        "digits": number(digits),
        "decoded": number(ops.logical_and(digits, tokens == expected)),
    }


class Measured(keras.Model):
    """A model with its task: inputs and targets in, the loss and the metrics' sums out."""

    def __init__(self, model: keras.Model, outputs: list[str], task: Task) -> None:
        super().__init__(dtype=keras.config.floatx())  # losses, whatever the model computes in
        self.model = model
        self.outputs_in_order = outputs
        self.task = task

    def call(self, batch: tuple[Any, Any], training: bool | None = None) -> dict[str, KerasTensor]:
        """The loss and the sums for (inputs, targets)."""
        inputs, targets = batch
        outputs = by_name(self.outputs_in_order, self.model(inputs, training=training))
        result = measure(self.task, outputs, targets)
        if "decoded_accuracy" in self.task.metrics and not training:
            tokens, _ = self.model.decode(*inputs[:-1])  # not told the last input, the tokens
            result |= count_decoded(self.task, outputs, targets, tokens)
        return result

    def compute_loss(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True
    ) -> KerasTensor:
        """The loss is among the outputs already."""
        del x, y, sample_weight, training
        return y_pred["loss"]

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """So is everything that is reported."""
        del x, y, sample_weight
        return y_pred


class Trainer:
    """A model with its optimizer, through `compile`, `train_on_batch` and `test_on_batch`."""

    def __init__(
        self, model: keras.Model, outputs: list[str], task: Task, settings: Settings
    ) -> None:
        optimizer = make_optimizer(settings)
        # TensorFlow traces a step twice if it makes variables on its way.
        optimizer.build(model.trainable_variables)
        self.measured = Measured(model, outputs, task)
        self.measured.compile(optimizer)

    def train_step(self, inputs: Any, targets: Mapping[str, KerasTensor]) -> Mapping[str, Any]:
        """One optimizer step."""
        return self.measured.train_on_batch((inputs, targets), return_dict=True)

    def evaluation_step(self, inputs: Any, targets: Mapping[str, KerasTensor]) -> Mapping[str, Any]:
        """The same figures in evaluation mode."""
        return self.measured.test_on_batch((inputs, targets), return_dict=True)
