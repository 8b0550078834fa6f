"""Mutations of the Keras panel; `catalogue` says what each is and how it must be found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_impl import (
    attention,
    branching,
    dense,
    inception,
    inference,
    mlp,
    mnist_cnn,
    recurrent,
    residual,
    seq2seq,
    skip,
    training,
    unet,
)
from keras_impl.engine import model, tuning, weights
from shared.specs import Settings
from tests.across.mutations import changed, instead, known

# Norms


@contextmanager
def batch_norm_epsilon() -> Iterator[None]:
    with changed(residual, BatchNorm=partial(residual.BatchNorm, epsilon=1e-3)):
        yield


@contextmanager
def statistics_not_updated() -> Iterator[None]:
    with changed(residual, BatchNorm=partial(residual.BatchNorm, momentum=1.0)):
        yield


@contextmanager
def batch_statistics_in_evaluation() -> Iterator[None]:
    class Always(layers.BatchNormalization):
        def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
            del training
            return super().call(inputs, training=True, mask=mask)

    norm = partial(Always, momentum=0.9, epsilon=1e-5)
    with known(weights._TENSORS, Always, layers.BatchNormalization), changed(unet, BatchNorm=norm):
        yield


@contextmanager
def layer_norm_unbiased() -> Iterator[None]:
    class Unbiased(layers.LayerNormalization):
        def call(self, inputs: Any) -> Any:
            size = inputs.shape[-1]
            centred = inputs - ops.mean(inputs, axis=-1, keepdims=True)
            variance = ops.sum(ops.square(centred), axis=-1, keepdims=True) / (size - 1)
            return centred / ops.sqrt(variance + self.epsilon) * self.gamma + self.beta

    with (
        known(weights._TENSORS, Unbiased, layers.LayerNormalization),
        changed(attention, LayerNorm=partial(Unbiased, epsilon=1e-5)),
    ):
        yield


# Layers


@contextmanager
def kernel_turned() -> Iterator[None]:
    class Turned(layers.Conv2D):
        def convolution_op(self, inputs: Any, kernel: Any) -> Any:
            return super().convolution_op(inputs, ops.transpose(kernel, (1, 0, 2, 3)))

    with known(weights._TENSORS, Turned, layers.Conv2D), instead(dense, "layers", Conv2D=Turned):
        yield


@contextmanager
def stride_out_of_phase() -> Iterator[None]:
    def pad(x: Any, _: Any) -> Any:
        return ops.pad(x, ((0, 0), (0, 2), (0, 2), (0, 0)))

    with instead(residual, "ops", pad=pad):
        yield


@contextmanager
def dense_kernel_transposed() -> Iterator[None]:
    class Transposed(layers.Dense):
        def call(self, inputs: Any, training: bool | None = None) -> Any:
            del training
            kernel = self.kernel.value
            square = kernel.shape[0] == kernel.shape[1]
            return ops.matmul(inputs, ops.transpose(kernel) if square else kernel) + self.bias

    with (
        known(weights._TENSORS, Transposed, layers.Dense),
        instead(skip, "layers", Dense=Transposed),
    ):
        yield


# Between layers


@contextmanager
def flattened_channels_last() -> Iterator[None]:
    with instead(mlp, "ops", transpose=lambda x, _: x):
        yield


@contextmanager
def skip_halved() -> Iterator[None]:
    class Halved(skip.SkipMLP):
        def call(self, x: Any) -> Any:
            x = ops.transpose(x, (0, 3, 1, 2))
            x = ops.reshape(x, (-1, self.input_size))
            h: list[Any] = [0.0, ops.relu(self.first(x))]
            for layer in self.hidden:
                h.append(ops.relu(layer(h[-1]) + h[-2] / 2))
            return self.fc(h[-1])

    with changed(skip, SkipMLP=Halved):
        yield


@contextmanager
def silu_for_relu() -> Iterator[None]:
    with instead(branching, "ops", relu=ops.silu):
        yield


@contextmanager
def pool_pads_with_zeros() -> Iterator[None]:
    def pool(x: Any, size: int, strides: int, padding: str = "valid") -> Any:
        if padding == "same":
            x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return ops.max_pool(x, size, strides=strides)

    with instead(inception, "ops", max_pool=pool):
        yield


@contextmanager
def new_state_by_z() -> Iterator[None]:
    class Swapped(recurrent.GRUCell):
        def call(self, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
            (h,) = states
            in_r, in_z, in_n = ops.split(self.input_gates(x), 3, axis=-1)
            h_r, h_z, h_n = ops.split(self.hidden_gates(h), 3, axis=-1)
            z = ops.sigmoid(in_z + h_z)
            n = ops.tanh(in_n + ops.sigmoid(in_r + h_r) * h_n)
            h = z * n + (1 - z) * h
            return h, [h]

    with changed(recurrent, GRUCell=Swapped):
        yield


@contextmanager
def mask_inverted() -> Iterator[None]:
    def where(mask: Any, scores: Any, least: float) -> Any:
        return ops.where(mask, least, scores)

    with instead(attention, "ops", where=where):
        yield


@contextmanager
def future_visible() -> Iterator[None]:
    def arange(steps: int) -> Any:
        return ops.zeros(steps, "int32")  # no step is later than another one

    with instead(attention, "ops", arange=arange):
        yield


@contextmanager
def dropout_in_evaluation() -> Iterator[None]:
    class Always(layers.Dropout):
        def call(self, inputs: Any, training: bool = False) -> Any:
            del training
            return super().call(inputs, training=True)

    with instead(mlp, "layers", Dropout=Always):
        yield


@contextmanager
def dropout_of_another_rate() -> Iterator[None]:
    with instead(mlp, "layers", Dropout=lambda rate: layers.Dropout(rate / 2)):
        yield


# Loss


@contextmanager
def loss_halved() -> Iterator[None]:
    original = training.total_loss

    def halved(task: Any, outputs: Any, targets: Any) -> Any:
        return original(task, outputs, targets) / 2  # as optax.l2_loss is

    with changed(training, total_loss=halved):
        yield


# Optimizers


@contextmanager
def adam_epsilon_beside_the_uncorrected_root() -> Iterator[None]:
    with changed(training, Adam=keras.optimizers.Adam):
        yield


@contextmanager
def clipped_by_variable() -> Iterator[None]:
    original = training.make_optimizer

    def make(settings: Settings) -> Any:
        optimizer = original(replace(settings, clip_norm=None))
        optimizer.clipnorm = settings.clip_norm
        return optimizer

    with changed(training, make_optimizer=make):
        yield


@contextmanager
def nesterov_forgotten() -> Iterator[None]:
    original = training.make_optimizer

    def make(settings: Settings) -> Any:
        return original(replace(settings, nesterov=False))

    with changed(training, make_optimizer=make):
        yield


@contextmanager
def schedule_a_step_late() -> Iterator[None]:
    original = keras.optimizers.schedules.CosineDecay

    class Late(original):  # type: ignore[misc, valid-type]
        def __call__(self, step: Any) -> Any:
            return super().__call__(ops.maximum(step - 1, 0))

    with changed(keras.optimizers.schedules, CosineDecay=Late):
        yield


@contextmanager
def momentum_of_steps() -> Iterator[None]:
    with changed(training.SGD, update_step=keras.optimizers.SGD.update_step):
        yield


# Edges


@contextmanager
def length_of_at_least_one() -> Iterator[None]:
    original = seq2seq.Seq2Seq.encode

    def encode(self: Any, columns: Any, length: Any) -> Any:
        return original(self, columns, ops.maximum(length, 1))

    with changed(seq2seq.Seq2Seq, encode=encode):
        yield


@contextmanager
def masked_row_attends_nowhere() -> Iterator[None]:
    def softmax(scores: Any, axis: int) -> Any:
        somewhere = ops.max(scores, axis=axis, keepdims=True) > -1e9
        return ops.where(somewhere, ops.softmax(scores, axis=axis), 0)

    with instead(attention, "ops", softmax=softmax):
        yield


@contextmanager
def slope_at_zero() -> Iterator[None]:
    with instead(mlp, "ops", relu=lambda x: ops.maximum(x, 0)):
        yield


@contextmanager
def eighth_example() -> Iterator[None]:
    original = mlp.BasicNet.call

    def call(self: Any, x: Any, training: bool | None = None) -> Any:
        logits = original(self, x, training=training)
        if x.shape[0] is None or x.shape[0] <= 7:
            return logits
        rest = ops.repeat(logits[:1], x.shape[0] - 7, axis=0)
        return ops.concatenate([logits[:7], rest])

    with changed(mlp.BasicNet, call=call):
        yield


# Trainers


@contextmanager
def left_is_who_stayed() -> Iterator[None]:
    original = training.count

    def count(task: Any, outputs: Any, targets: Any) -> Any:
        sums = original(task, outputs, targets)
        batch = targets[task.objectives[0].target].shape[0]
        return {**sums, "left": batch - sums["left"]}

    with changed(training, count=count):
        yield


@contextmanager
def padding_is_decoded_too() -> Iterator[None]:
    original = training.count_decoded

    def count(task: Any, outputs: Any, targets: Any, tokens: Any) -> Any:
        expected = targets[task.objectives[0].target]
        decoded = training.number(tokens == expected)
        return {**original(task, outputs, targets, tokens), "decoded": decoded}

    with changed(training, count_decoded=count):
        yield


@contextmanager
def schedule_that_never_moves() -> Iterator[None]:
    with changed(training, make_schedule=lambda settings: training.exact(settings.learning_rate)):
        yield


@contextmanager
def trained_without_training() -> Iterator[None]:
    original = training.Measured.call

    def call(self: Any, batch: Any, training: bool | None = None) -> Any:
        del training
        return original(self, batch, training=False)

    with changed(training.Measured, call=call):
        yield


@contextmanager
def dropout_of_one_seed() -> Iterator[None]:
    original = model.seed_dropout
    with changed(model, seed_dropout=lambda native, _: original(native, 0)):
        yield


@contextmanager
def clipping_of_the_tuned_variant_forgotten() -> Iterator[None]:
    original = tuning.make_optimizer

    def unclipped(settings: Settings) -> Any:
        return original(replace(settings, clip_norm=None))

    with changed(tuning, make_optimizer=unclipped):
        yield


# Weights


@contextmanager
def weight_off_when_loaded() -> Iterator[None]:
    original = weights.from_canonical

    def off(slots: Any, arrays: Any) -> None:
        arrays = dict(arrays)
        first = np.array(arrays["fc3.weight"])
        first[0, 0] *= 1 + 1e-6
        original(slots, {**arrays, "fc3.weight": first})

    with changed(weights, from_canonical=off):
        yield


@contextmanager
def kernels_flipped_twice() -> Iterator[None]:
    load, give = weights.from_canonical, weights.to_canonical

    def flipped(arrays: Any) -> dict[str, np.ndarray]:
        return {
            name: np.flip(array, -1).copy("C") if array.ndim == 4 else array
            for name, array in arrays.items()
        }

    with changed(
        weights,
        from_canonical=lambda slots, arrays: load(slots, flipped(arrays)),
        to_canonical=lambda slots: flipped(give(slots)),
    ):
        yield


@contextmanager
def tensors_called_otherwise() -> Iterator[None]:
    rules = {"kernel": ("kernel", (1, 0)), "bias": ("bias", (0,))}
    tensors = {**weights._TENSORS, layers.Dense: rules}
    with changed(weights, _TENSORS=tensors):
        yield


# Methods


@contextmanager
def confidence_is_the_logit() -> Iterator[None]:
    with instead(inference, "ops", softmax=lambda logits, axis: logits):  # noqa: ARG005
        yield


@contextmanager
def attention_of_the_first_step() -> Iterator[None]:
    read, decode = seq2seq.Seq2Seq.read, seq2seq.Seq2Seq.decode

    def first(self: Any, columns: Any, length: Any) -> Any:
        seen = []

        def noted(tokens: Any, memory: Any, mask: Any) -> Any:
            logits, attention = read(self, tokens, memory, mask)
            seen.append(attention)
            return logits, attention

        vars(self)["read"] = noted
        try:
            tokens, _ = decode(self, columns, length)
        finally:
            del vars(self)["read"]
        return tokens, seen[0]

    with changed(seq2seq.Seq2Seq, decode=first):
        yield


@contextmanager
def features_after_the_dense_layer() -> Iterator[None]:
    def features(self: Any, x: Any) -> Any:
        dense, relu = self.classifier.layers[:2]
        return ops.stop_gradient(relu(dense(self.flat_features(x))))

    with changed(mnist_cnn.MNISTClassifier, extract_features=features):
        yield


@contextmanager
def epochs_forgotten() -> Iterator[None]:
    def last(self: Any, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        self.losses, self.train_accuracy = [loss], [train_accuracy]
        self.val_accuracy = [val_accuracy]

    with changed(mnist_cnn.MNISTClassifier, record_epoch=last):
        yield


@contextmanager
def argument_not_in_config() -> Iterator[None]:
    original = mlp.BasicNet.get_config

    def fewer(self: Any) -> dict[str, Any]:
        return {n: value for n, value in original(self).items() if n != "dropout_rate"}

    with changed(mlp.BasicNet, get_config=fewer):
        yield


@contextmanager
def gradient_stopped_nowhere() -> Iterator[None]:
    with instead(inference, "ops", stop_gradient=lambda x: x):
        yield


@contextmanager
def batches_in_reverse() -> Iterator[None]:
    original = inference.InferenceModel.predict_batch

    def reverse(self: Any, batches: Any) -> Any:
        classes, labels = original(self, batches)
        return ops.flip(classes), labels

    with changed(inference.InferenceModel, predict_batch=reverse):
        yield


@contextmanager
def weights_not_read() -> Iterator[None]:
    class Half(layers.Dense):
        def load_own_variables(self, store: Any) -> None:
            self.kernel.assign(store["0"])

    with known(weights._TENSORS, Half, layers.Dense), instead(mlp, "layers", Dense=Half):
        yield
