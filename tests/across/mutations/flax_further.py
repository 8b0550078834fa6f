"""Further mutations of the Flax panel; `further` says what each is and how it must be found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax import Array

from flax_impl import attention, branching, mlp, recurrent, seq2seq, skip, training
from flax_impl.engine import weights
from shared.specs import Settings, Task
from tests.across.mutations import changed, instead, known

# Layers and what stands between them


@contextmanager
def convolution_without_bias() -> Iterator[None]:
    with instead(branching, "nn", Conv=partial(nn.Conv, use_bias=False)):
        yield


@contextmanager
def norm_without_its_mean() -> Iterator[None]:
    class Uncentred(nn.LayerNorm):
        @nn.compact
        def __call__(self, x: Array, **_: Any) -> Array:
            scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
            bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
            square = jnp.square(x).mean(axis=-1, keepdims=True)
            return x / jnp.sqrt(square + self.epsilon) * scale + bias

    with (
        known(weights._TENSORS, Uncentred, nn.LayerNorm),
        changed(attention, LayerNorm=partial(Uncentred, epsilon=1e-5)),
    ):
        yield


@contextmanager
def dense_in_bfloat16() -> Iterator[None]:
    class Coarse(nn.Dense):
        @nn.compact
        def __call__(self, inputs: Array) -> Array:
            shape = (inputs.shape[-1], self.features)
            kernel = self.param("kernel", nn.initializers.zeros, shape, inputs.dtype)
            bias = self.param("bias", nn.initializers.zeros, shape[1:], inputs.dtype)
            return (inputs @ kernel + bias).astype("bfloat16").astype(inputs.dtype)

    with known(weights._TENSORS, Coarse, nn.Dense), instead(mlp, "nn", Dense=Coarse):
        yield


@contextmanager
def mask_ignored() -> Iterator[None]:
    with instead(attention, "jnp", where=lambda _mask, scores, _least: scores):
        yield


@contextmanager
def heads_joined_by_turns() -> Iterator[None]:
    class Turned(attention.MultiHeadAttention):
        def __call__(
            self, x: Array, context: Array, attention_mask: Array, train: bool = False
        ) -> tuple[Array, Array]:
            del train
            q = self.split_heads(self.query(x))
            k = self.split_heads(self.key(context))
            v = self.split_heads(self.value(context))
            scores = q @ k.mT / (self.embed_dim // self.num_heads) ** 0.5
            scores = jnp.where(attention_mask[:, None], scores, -1e9)
            shares = nn.softmax(scores, axis=-1)
            x = (shares @ v).transpose(0, 2, 3, 1)  # (B, T, d, N)
            return self.out(x.reshape(*x.shape[:2], -1)), shares

    with changed(attention, MultiHeadAttention=Turned):
        yield


@contextmanager
def sines_before_cosines() -> Iterator[None]:
    def halves(length: int, embed_dim: int) -> np.ndarray:
        angles = np.arange(length)[:, None] / 10_000 ** (np.arange(0, embed_dim, 2) / embed_dim)
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)[:, :embed_dim]

    with changed(seq2seq, positions=halves):
        yield


@contextmanager
def gates_of_another_library() -> Iterator[None]:
    class Swapped(recurrent.GRUCell):
        def __call__(self, h: Array, x: Array, train: bool = False) -> tuple[Array, Array]:
            del train
            in_z, in_n, in_r = jnp.split(self.input_gates(x), 3, axis=-1)
            h_z, h_n, h_r = jnp.split(self.hidden_gates(h), 3, axis=-1)
            z = nn.sigmoid(in_z + h_z)
            n = nn.tanh(in_n + nn.sigmoid(in_r + h_r) * h_n)
            h = (1 - z) * n + z * h
            return h, h

    with changed(recurrent, GRUCell=Swapped):
        yield


@contextmanager
def output_halved() -> Iterator[None]:
    class Halved(mlp.BasicNet):
        def __call__(self, x: Array, train: bool = False) -> Array:
            return super().__call__(x, train) / 2

    with changed(mlp, BasicNet=Halved):
        yield


@contextmanager
def dropout_of_three_tenths() -> Iterator[None]:
    with instead(mlp, "nn", Dropout=lambda _: nn.Dropout(0.3)):
        yield


@contextmanager
def mask_of_one_column() -> Iterator[None]:
    with instead(mlp, "nn", Dropout=partial(nn.Dropout, broadcast_dims=(1,))):
        yield


# Loss and gradients


@contextmanager
def _task(change: Any) -> Iterator[None]:
    """Another `total_loss`, of objectives that are changed."""
    original = training.total_loss

    def loss(task: Task, outputs: Any, targets: Any) -> Array:
        objectives = tuple(change(i, each) for i, each in enumerate(task.objectives))
        return original(replace(task, objectives=objectives), outputs, targets)

    with changed(training, total_loss=loss):
        yield


@contextmanager
def second_objective_doubled() -> Iterator[None]:
    with _task(lambda index, each: replace(each, weight=each.weight * (1 + index))):
        yield


@contextmanager
def distance_summed() -> Iterator[None]:
    original = training.total_loss

    def summed(task: Task, outputs: Any, targets: Any) -> Array:
        (objective,) = task.objectives
        return original(task, outputs, targets) * targets[objective.target].size

    with changed(training, total_loss=summed):
        yield


@contextmanager
def smoothing_of_a_twentieth() -> Iterator[None]:
    with _task(lambda _, each: replace(each, smoothing=0.05)):
        yield


@contextmanager
def gradient_leaks() -> Iterator[None]:
    @jax.custom_jvp
    def relu(x: Array) -> Array:
        return nn.relu(x)

    relu.defjvp(
        lambda primals, tangents: (
            nn.relu(primals[0]),
            jnp.where(primals[0] > 0, tangents[0], 0.01 * tangents[0]),
        )
    )
    with changed(skip, relu=relu):
        yield


@contextmanager
def gradients_doubled_in_a_bias() -> Iterator[None]:
    class Doubled(nn.Dense):
        def param(self, name: str, *args: Any, **kwargs: Any) -> Any:
            value = super().param(name, *args, **kwargs)
            return 2 * value - jax.lax.stop_gradient(value) if name == "bias" else value

    with known(weights._TENSORS, Doubled, nn.Dense), instead(skip, "nn", Dense=Doubled):
        yield


# Optimizers


@contextmanager
def _optimizer(make: Any) -> Iterator[None]:
    """Another `make_optimizer`, which gets the original and the settings."""
    with changed(training, make_optimizer=partial(make, training.make_optimizer)):
        yield


@contextmanager
def largest_corrected_moment() -> Iterator[None]:
    def make(_: Any, settings: Settings) -> optax.GradientTransformation:
        return optax.amsgrad(settings.learning_rate, eps=settings.epsilon)

    with _optimizer(make):
        yield


@contextmanager
def first_beta() -> Iterator[None]:
    def make(_: Any, settings: Settings) -> optax.GradientTransformation:
        return optax.adam(settings.learning_rate, b1=0.8, eps=settings.epsilon)

    with _optimizer(make):
        yield


@contextmanager
def decay_of_one_tensor() -> Iterator[None]:
    def first(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: "fc1" in str(path) and "kernel" in str(path), params
        )

    def make(_: Any, settings: Settings) -> optax.GradientTransformation:
        return optax.adamw(
            settings.learning_rate,
            eps=settings.epsilon,
            weight_decay=settings.weight_decay,
            mask=first,
        )

    with _optimizer(make):
        yield


@contextmanager
def momentum_of_nine_tenths() -> Iterator[None]:
    with _optimizer(lambda original, settings: original(replace(settings, momentum=0.9))):
        yield


@contextmanager
def warm_up_a_step_longer() -> Iterator[None]:
    with _optimizer(
        lambda original, settings: original(
            replace(settings, warmup_steps=settings.warmup_steps + 1)
        )
    ):
        yield


@contextmanager
def rate_falls_in_a_line() -> Iterator[None]:
    def make(_: Any, settings: Settings) -> optax.GradientTransformation:
        steps = settings.decay_steps or 1
        return optax.sgd(lambda step: settings.learning_rate * (1 - step / steps))

    with _optimizer(make):
        yield


@contextmanager
def values_clipped_to_a_hundredth() -> Iterator[None]:
    def make(original: Any, settings: Settings) -> optax.GradientTransformation:
        whole = original(replace(settings, clip_norm=None))
        return whole if settings.clip_norm is None else optax.chain(optax.clip(0.01), whole)

    with _optimizer(make):
        yield


@contextmanager
def epsilon_with_another_digit() -> Iterator[None]:
    with _optimizer(lambda original, settings: original(replace(settings, epsilon=1.25e-8))):
        yield


@contextmanager
def climbs() -> Iterator[None]:
    with _optimizer(lambda original, settings: optax.chain(original(settings), optax.scale(-1.0))):
        yield
