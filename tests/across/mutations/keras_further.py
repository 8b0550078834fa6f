"""Further mutations of the Keras panel; `further` says what each is and how it must be found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_impl import attention, branching, mlp, recurrent, residual, seq2seq, skip, training
from keras_impl.engine import weights
from shared.specs import Settings
from tests.across.mutations import changed, instead, known

# Layers and what stands between them


@contextmanager
def norm_epsilon_of_a_ten_thousandth() -> Iterator[None]:
    with changed(residual, BatchNorm=partial(residual.BatchNorm, epsilon=1.05e-5)):
        yield


@contextmanager
def dense_without_bias() -> Iterator[None]:
    class Unbiased(layers.Dense):
        def call(self, inputs: Any, training: bool | None = None) -> Any:
            del training
            return ops.matmul(inputs, self.kernel)

    with known(weights._TENSORS, Unbiased, layers.Dense), instead(mlp, "layers", Dense=Unbiased):
        yield


@contextmanager
def last_layer_without_bias() -> Iterator[None]:
    def dense(units: int, name: str) -> Any:
        return layers.Dense(units, use_bias=name != "fc3", name=name)

    with instead(mlp, "layers", Dense=dense):
        yield


@contextmanager
def bias_doubled() -> Iterator[None]:
    class Doubled(layers.Conv2D):
        def call(self, inputs: Any) -> Any:
            return super().call(inputs) + self.bias

    with (
        known(weights._TENSORS, Doubled, layers.Conv2D),
        instead(branching, "layers", Conv2D=Doubled),
    ):
        yield


@contextmanager
def heads_of_steps() -> Iterator[None]:
    class Cut(attention.MultiHeadAttention):
        def split_heads(self, x: Any) -> Any:
            shape = (-1, self.num_heads, x.shape[1], self.embed_dim // self.num_heads)
            return ops.reshape(x, shape)

    with changed(attention, MultiHeadAttention=Cut):
        yield


@contextmanager
def scores_over_the_width() -> Iterator[None]:
    def softmax(scores: Any, axis: int) -> Any:
        return ops.softmax(scores / 2, axis=axis)  # the root of a head's width, where it is 4

    with instead(attention, "ops", softmax=softmax):
        yield


@contextmanager
def positions_from_two() -> Iterator[None]:
    original = seq2seq.positions

    def later(length: int, embed_dim: int) -> np.ndarray:
        return original(length + 2, embed_dim)[2:]

    with changed(seq2seq, positions=later):
        yield


@contextmanager
def state_reset_first() -> Iterator[None]:
    class Early(recurrent.GRUCell):
        def call(self, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
            (h,) = states
            in_r, in_z, in_n = ops.split(self.input_gates(x), 3, axis=-1)
            h_r, h_z, _ = ops.split(self.hidden_gates(h), 3, axis=-1)
            r, z = ops.sigmoid(in_r + h_r), ops.sigmoid(in_z + h_z)
            width = self.hidden_size
            kernel, bias = self.hidden_gates.kernel, self.hidden_gates.bias
            product = ops.matmul(r * h, kernel[:, 2 * width :]) + bias[2 * width :]
            n = ops.tanh(in_n + product)
            h = (1 - z) * n + z * h
            return h, [h]

    with changed(recurrent, GRUCell=Early):
        yield


@contextmanager
def last_softmax() -> Iterator[None]:
    original = mlp.BasicNet.call

    def call(self: Any, x: Any, training: bool | None = None) -> Any:
        return ops.softmax(original(self, x, training=training))

    with changed(mlp.BasicNet, call=call):
        yield


@contextmanager
def output_moved() -> Iterator[None]:
    original = mlp.BasicNet.call

    def call(self: Any, x: Any, training: bool | None = None) -> Any:
        return ops.roll(original(self, x, training=training), 1, axis=-1)

    with changed(mlp.BasicNet, call=call):
        yield


@contextmanager
def dropout_left_out() -> Iterator[None]:
    with instead(mlp, "layers", Dropout=lambda _: layers.Dropout(0.0)):
        yield


@contextmanager
def noise_of_one_example() -> Iterator[None]:
    def shared(rate: float, **options: Any) -> layers.Dropout:
        return layers.Dropout(rate, noise_shape=(1, None), **options)

    with instead(mlp, "layers", Dropout=shared):
        yield


# Loss


@contextmanager
def _task(change: Any) -> Iterator[None]:
    """Another `total_loss`, of objectives that are changed."""
    original = training.total_loss

    def loss(task: Any, outputs: Any, targets: Any) -> Any:
        objectives = tuple(change(i, each) for i, each in enumerate(task.objectives))
        return original(replace(task, objectives=objectives), outputs, targets)

    with changed(training, total_loss=loss):
        yield


@contextmanager
def smoothing_without_the_label() -> Iterator[None]:
    with _task(lambda _, each: replace(each, smoothing=each.smoothing * 5 / 4)):
        yield


@contextmanager
def first_objective_halved() -> Iterator[None]:
    with _task(lambda index, each: replace(each, weight=each.weight * (1 if index else 0.5))):
        yield


@contextmanager
def loss_with_another_sign() -> Iterator[None]:
    with _task(lambda _, each: replace(each, weight=-each.weight)):
        yield


# Optimizers


@contextmanager
def _optimizer(make: Any) -> Iterator[None]:
    """Another `make_optimizer`, which gets the original and the settings."""
    with changed(training, make_optimizer=partial(make, training.make_optimizer)):
        yield


@contextmanager
def largest_raw_moment() -> Iterator[None]:
    def make(original: Any, settings: Settings) -> Any:
        adam = original(settings)
        adam.amsgrad = True
        return adam

    with _optimizer(make):
        yield


@contextmanager
def both_betas() -> Iterator[None]:
    def make(original: Any, settings: Settings) -> Any:
        adam = original(settings)
        adam.beta_1, adam.beta_2 = 0.5, np.float64(0.98)
        return adam

    with _optimizer(make):
        yield


@contextmanager
def biases_not_decayed() -> Iterator[None]:
    def make(original: Any, settings: Settings) -> Any:
        adam = original(settings)
        adam.exclude_from_weight_decay(var_names=["bias"])
        return adam

    with _optimizer(make):
        yield


@contextmanager
def warm_up_from_zero() -> Iterator[None]:
    original = keras.optimizers.schedules.CosineDecay

    def schedule(_: Any, *args: Any, **kwargs: Any) -> Any:
        return original(0.0, *args, **kwargs)

    with changed(keras.optimizers.schedules, CosineDecay=schedule):
        yield


@contextmanager
def schedule_left_out() -> Iterator[None]:
    with _optimizer(lambda original, settings: original(replace(settings, decay_steps=None))):
        yield


@contextmanager
def clipping_left_out() -> Iterator[None]:
    with _optimizer(lambda original, settings: original(replace(settings, clip_norm=None))):
        yield


@contextmanager
def rate_a_hundredth_larger() -> Iterator[None]:
    with _optimizer(
        lambda original, settings: original(
            replace(settings, learning_rate=settings.learning_rate * 1.01)
        )
    ):
        yield


@contextmanager
def nesterov_where_none_is() -> Iterator[None]:
    with _optimizer(lambda original, settings: original(replace(settings, nesterov=True))):
        yield


@contextmanager
def skip_of_the_activation() -> Iterator[None]:
    class Outside(skip.SkipMLP):
        def call(self, x: Any) -> Any:
            x = ops.transpose(x, (0, 3, 1, 2))
            x = ops.reshape(x, (-1, self.input_size))
            h: list[Any] = [0.0, ops.relu(self.first(x))]
            for layer in self.hidden:
                h.append(ops.relu(layer(h[-1])) + h[-2])
            return self.fc(h[-1])

    with changed(skip, SkipMLP=Outside):
        yield
