"""Mutations of the Flax panel; `catalogue` says what each is and how it must be found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import serialization
from jax import Array

from flax_impl import (
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
from flax_impl.engine import weights
from shared.specs import Settings, Task
from tests.across.mutations import changed, instead, known

# Norms


@contextmanager
def momentum_of_99() -> Iterator[None]:
    with changed(residual, BatchNorm=partial(residual.BatchNorm, momentum=0.99)):
        yield


@contextmanager
def layer_norm_epsilon() -> Iterator[None]:
    with changed(attention, LayerNorm=partial(attention.LayerNorm, epsilon=1e-6)):
        yield


@contextmanager
def norm_without_scale() -> Iterator[None]:
    with changed(unet, BatchNorm=partial(unet.BatchNorm, use_scale=False)):
        yield


# Layers


@contextmanager
def padding_same() -> Iterator[None]:
    def same(*args: Any, **kwargs: Any) -> nn.Conv:
        return nn.Conv(*args, **{**kwargs, "padding": "SAME"})

    with instead(residual, "nn", Conv=same):
        yield


@contextmanager
def kernel_dilated() -> Iterator[None]:
    def dilated(*args: Any, **kwargs: Any) -> nn.Conv:
        return nn.Conv(*args, **{**kwargs, "padding": 2, "kernel_dilation": 2})

    with instead(unet, "nn", Conv=dilated):
        yield


@contextmanager
def kernel_channels_swapped() -> Iterator[None]:
    class Crossed(nn.Conv):
        def param(self, name: str, *args: Any, **kwargs: Any) -> Any:
            value = super().param(name, *args, **kwargs)
            square = name == "kernel" and value.shape[2] == value.shape[3]
            return value.swapaxes(2, 3) if square else value

    with known(weights._TENSORS, Crossed, nn.Conv), instead(branching, "nn", Conv=Crossed):
        yield


@contextmanager
def transposed_kernel_flipped() -> Iterator[None]:
    class Turned(nn.ConvTranspose):
        def param(self, name: str, *args: Any, **kwargs: Any) -> Any:
            value = super().param(name, *args, **kwargs)
            return value[::-1, ::-1] if name == "kernel" else value

    with (
        known(weights._TENSORS, Turned, nn.ConvTranspose),
        instead(unet, "nn", ConvTranspose=Turned),
    ):
        yield


@contextmanager
def embedding_off_by_one() -> Iterator[None]:
    class Shifted(nn.Embed):
        def __call__(self, inputs: Array) -> Array:
            return jnp.take(self.embedding, (inputs + 1) % self.num_embeddings, axis=0)

    with known(weights._TENSORS, Shifted, nn.Embed), instead(seq2seq, "nn", Embed=Shifted):
        yield


@contextmanager
def weight_off_by_a_millionth() -> Iterator[None]:
    class Off(nn.Dense):
        def param(self, name: str, *args: Any, **kwargs: Any) -> Any:
            value = super().param(name, *args, **kwargs)
            chosen = name == "kernel" and self.name == "hidden_1"
            return value.at[0, 0].multiply(1 + 1e-6) if chosen else value

    with known(weights._TENSORS, Off, nn.Dense), instead(skip, "nn", Dense=Off):
        yield


# Between layers


@contextmanager
def leaky_relu() -> Iterator[None]:
    with changed(skip, relu=nn.leaky_relu):
        yield


@contextmanager
def concatenated_in_another_order() -> Iterator[None]:
    def turned(parts: list[Array], axis: int) -> Array:
        return jnp.concatenate(parts[::-1], axis=axis)

    with instead(unet, "jnp", concatenate=turned):
        yield


@contextmanager
def pool_at_stride_one() -> Iterator[None]:
    def pool(x: Array, window: tuple[int, int], strides: Any, padding: Any = "VALID") -> Array:
        del strides
        return nn.max_pool(x, window, padding=padding)

    with instead(inception, "nn", max_pool=pool):
        yield


@contextmanager
def pool_rounds_up() -> Iterator[None]:
    with instead(dense, "nn", avg_pool=partial(nn.avg_pool, padding="SAME")):
        yield


@contextmanager
def reset_of_both_shares() -> Iterator[None]:
    class Whole(recurrent.GRUCell):
        def __call__(self, h: Array, x: Array, train: bool = False) -> tuple[Array, Array]:
            del train
            in_r, in_z, in_n = jnp.split(self.input_gates(x), 3, axis=-1)
            h_r, h_z, h_n = jnp.split(self.hidden_gates(h), 3, axis=-1)
            z = nn.sigmoid(in_z + h_z)
            n = nn.tanh(nn.sigmoid(in_r + h_r) * (in_n + h_n))
            h = (1 - z) * n + z * h
            return h, h

    with changed(recurrent, GRUCell=Whole):
        yield


@contextmanager
def heads_split_across() -> Iterator[None]:
    class Across(attention.MultiHeadAttention):
        def split_heads(self, x: Array) -> Array:
            return x.reshape(*x.shape[:2], -1, self.num_heads).transpose(0, 3, 1, 2)

    with changed(attention, MultiHeadAttention=Across):
        yield


# Loss and gradients


@contextmanager
def smoothing_forgotten() -> Iterator[None]:
    original = training.total_loss

    def plain(task: Task, outputs: Any, targets: Any) -> Array:
        objectives = tuple(replace(each, smoothing=0.0) for each in task.objectives)
        return original(replace(task, objectives=objectives), outputs, targets)

    with changed(training, total_loss=plain):
        yield


@contextmanager
def second_objective_halved() -> Iterator[None]:
    original = training.total_loss

    def halved(task: Task, outputs: Any, targets: Any) -> Array:
        first, second = task.objectives
        second = replace(second, weight=second.weight / 2)
        return original(replace(task, objectives=(first, second)), outputs, targets)

    with changed(training, total_loss=halved):
        yield


@contextmanager
def gradient_straight_through() -> Iterator[None]:
    @jax.custom_jvp
    def relu(x: Array) -> Array:
        return nn.relu(x)

    relu.defjvp(lambda primals, tangents: (nn.relu(primals[0]), tangents[0]))
    with changed(skip, relu=relu):
        yield


# Optimizers


@contextmanager
def _optimizer(make: Any) -> Iterator[None]:
    """Another `make_optimizer`, which gets the original and the settings."""
    with changed(training, make_optimizer=partial(make, training.make_optimizer)):
        yield


@contextmanager
def adam_epsilon() -> Iterator[None]:
    with _optimizer(lambda original, settings: original(replace(settings, epsilon=1e-7))):
        yield


@contextmanager
def adam_epsilon_inside_the_root() -> Iterator[None]:
    def make(_: Any, settings: Settings) -> optax.GradientTransformation:
        return optax.adam(settings.learning_rate, eps=0.0, eps_root=settings.epsilon)

    with _optimizer(make):
        yield


@contextmanager
def decay_apart_from_the_rate() -> Iterator[None]:
    def make(_: Any, settings: Settings) -> optax.GradientTransformation:
        return optax.chain(
            optax.adam(settings.learning_rate, eps=settings.epsilon),
            optax.add_decayed_weights(-settings.weight_decay),
        )

    with _optimizer(make):
        yield


@contextmanager
def clipped_by_value() -> Iterator[None]:
    def make(original: Any, settings: Settings) -> optax.GradientTransformation:
        whole = original(replace(settings, clip_norm=None))
        clip = settings.clip_norm
        return whole if clip is None else optax.chain(optax.clip(clip), whole)

    with _optimizer(make):
        yield


@contextmanager
def cosine_of_another_length() -> Iterator[None]:
    def make(original: Any, settings: Settings) -> optax.GradientTransformation:
        return original(replace(settings, decay_steps=2 * (settings.decay_steps or 1)))

    with _optimizer(make):
        yield


# Edges


@contextmanager
def pool_splits_gradients() -> Iterator[None]:
    def pool(x: Array, window: tuple[int, int], strides: Any) -> Array:
        del strides
        batch, height, width, channels = x.shape
        shape = (batch, height // window[0], window[0], width // window[1], window[1], channels)
        return x.reshape(shape).max(axis=(2, 4))

    with instead(unet, "nn", max_pool=pool):
        yield


@contextmanager
def loss_overflows() -> Iterator[None]:
    def naive(logits: Array, labels: Array) -> Array:
        picked = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
        return jnp.log(jnp.exp(logits).sum(axis=-1)) - picked

    with instead(training, "optax", softmax_cross_entropy_with_integer_labels=naive):
        yield


@contextmanager
def masked_row_is_no_number() -> Iterator[None]:
    def where(mask: Array, scores: Array, _: float) -> Array:
        return jnp.where(mask, scores, -jnp.inf)

    with instead(attention, "jnp", where=where):
        yield


@contextmanager
def clamped() -> Iterator[None]:
    with changed(skip, relu=lambda x: jnp.minimum(nn.relu(x), 64)):
        yield


# Trainers


@contextmanager
def one_dropout_key_for_all_steps() -> Iterator[None]:
    with changed(jax.random, fold_in=lambda key, _: key):
        yield


@contextmanager
def dropout_key_of_no_seed() -> Iterator[None]:
    original = jax.random.key
    with changed(jax.random, key=lambda _: original(0)):
        yield


@contextmanager
def weights_of_objectives_forgotten() -> Iterator[None]:
    original = training.total_loss

    def even(task: Task, outputs: Any, targets: Any) -> Array:
        objectives = tuple(replace(each, weight=1.0) for each in task.objectives)
        return original(replace(task, objectives=objectives), outputs, targets)

    with changed(training, total_loss=even):
        yield


@contextmanager
def smoothing_over_the_other_classes() -> Iterator[None]:
    original = training.total_loss

    def others(task: Task, outputs: Any, targets: Any) -> Array:
        classes = outputs[task.objectives[0].output].shape[-1]
        share = classes / (classes - 1)
        objectives = tuple(replace(o, smoothing=o.smoothing * share) for o in task.objectives)
        return original(replace(task, objectives=objectives), outputs, targets)

    with changed(training, total_loss=others):
        yield


@contextmanager
def union_with_the_intersection_twice() -> Iterator[None]:
    original = training.count

    def count(task: Task, outputs: Any, targets: Any) -> Any:
        sums = original(task, outputs, targets)
        return {**sums, "union": sums["union"] + sums["intersection"]}

    with changed(training, count=count):
        yield


@contextmanager
def warm_up_forgotten() -> Iterator[None]:
    original = training.make_optimizer

    def at_once(settings: Settings) -> optax.GradientTransformation:
        return original(replace(settings, warmup_steps=None))

    with changed(training, make_optimizer=at_once):
        yield


# Weights


@contextmanager
def layers_in_another_order() -> Iterator[None]:
    original = weights.layout

    def layout(*args: Any) -> weights.Layout:
        true_layout = original(*args)
        slots = {}
        for name in true_layout.slots:
            other = name.replace(".0.", ".?.").replace(".1.", ".0.").replace(".?.", ".1.")
            slots[name] = true_layout.slots[other]
        return true_layout._replace(slots=slots)

    with changed(weights, layout=layout):
        yield


# Methods


@contextmanager
def second_largest_class() -> Iterator[None]:
    def predict(self: Any, x: Any, return_confidence: bool = False) -> Any:
        probabilities = nn.softmax(self(*x))
        classes = jnp.argsort(probabilities, axis=-1)[..., -2]
        confidence = jnp.take_along_axis(probabilities, classes[..., None], axis=-1)[..., 0]
        return (classes, confidence) if return_confidence else classes

    with changed(inference.InferenceModel, predict=predict):
        yield


@contextmanager
def decode_stops_early() -> Iterator[None]:
    original = seq2seq.Seq2Seq.decode

    def early(self: Any, columns: Array, length: Array) -> tuple[Array, Array]:
        tokens, attention = original(self, columns, length)
        return tokens.at[:, -1].set(self.num_classes), attention

    with changed(seq2seq.Seq2Seq, decode=early):
        yield


@contextmanager
def accuracies_as_shares() -> Iterator[None]:
    original = mnist_cnn.MNISTClassifier.record_epoch

    def shares(self: Any, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        original(self, loss, train_accuracy / 100, val_accuracy / 100)

    with changed(mnist_cnn.MNISTClassifier, record_epoch=shares):
        yield


@contextmanager
def config_of_the_defaults() -> Iterator[None]:
    original = mlp.BasicNet.get_config
    with changed(mlp.BasicNet, get_config=lambda _: original(mlp.BasicNet())):
        yield


@contextmanager
def wrapper_in_training_mode() -> Iterator[None]:
    def call(self: Any, *inputs: Array, train: bool = False) -> Any:
        return jax.lax.stop_gradient(self.base_model(*inputs, train=train))

    with changed(inference.InferenceModel, __call__=call):
        yield


@contextmanager
def evaluated_as_a_share() -> Iterator[None]:
    original = inference.InferenceModel.evaluate

    def evaluate(self: Any, batches: Any) -> tuple[float, int, int]:
        accuracy, correct, count = original(self, batches)
        return accuracy / 100, correct, count

    with changed(inference.InferenceModel, evaluate=evaluate):
        yield


@contextmanager
def saved_in_float32() -> Iterator[None]:
    original = serialization.to_bytes

    def rounded(variables: Any) -> bytes:
        return original(jax.tree.map(lambda x: x.astype("float32"), variables))

    with changed(serialization, to_bytes=rounded):
        yield
