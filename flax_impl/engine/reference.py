"""MNISTClassifier trained as Flax's own example does it, to hold the other variants against.

The shape of `examples/mnist/train.py` in google/flax: the data set on the device as a whole, a
permutation of it an epoch, and two compiled functions a step, one for the gradients and one for
the update.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training.train_state import TrainState
from jax import Array

from flax_impl.mnist_cnn import MNISTClassifier
from shared.interface import Arrays


@jax.jit
def apply_model(state: TrainState, images: Array, labels: Array, key: Array) -> Any:
    """Gradients, loss and accuracy of one batch."""

    def loss_fn(params: Any) -> Any:
        rngs = {"dropout": jax.random.fold_in(key, state.step)}
        logits = state.apply_fn({"params": params}, images, train=True, rngs=rngs)
        one_hot = jax.nn.one_hot(labels, 10)
        return optax.softmax_cross_entropy(logits, one_hot).mean(), logits

    (loss, logits), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    return grads, loss, (logits.argmax(axis=-1) == labels).mean()


@jax.jit
def update_model(state: TrainState, grads: Any) -> TrainState:
    """The state after one step of the optimizer."""
    return state.apply_gradients(grads=grads)


class Reference:
    """A network in training. Images are uint8 (N, 28, 28, 1), labels int32 (N,)."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        *,
        learning_rate: float = 1e-3,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.batch_size = batch_size
        self.device = jax.devices(device)[0]
        with jax.default_device(self.device):
            self.key, key = jax.random.split(jax.random.key(seed))
            self.images = jnp.float32(images) / 255
            self.labels = jnp.asarray(labels)
            model = MNISTClassifier()
            params = model.init(key, jnp.ones((1, 28, 28, 1)))["params"]
            self.state = TrainState.create(
                apply_fn=model.apply, params=params, tx=optax.adam(learning_rate)
            )

    def train_epoch(self, count: int) -> float:
        """Train once on the first `count` images; their mean loss."""
        with jax.default_device(self.device):
            self.key, key = jax.random.split(self.key)
            steps = count // self.batch_size
            order = jax.random.permutation(key, count)[: steps * self.batch_size]
            losses = []
            for rows in order.reshape(steps, self.batch_size):
                images, labels = self.images[rows], self.labels[rows]
                grads, loss, _ = apply_model(self.state, images, labels, key)
                self.state = update_model(self.state, grads)
                losses.append(loss)
            jax.block_until_ready(self.state.params)
            return float(np.mean(losses))

    def resolved(self) -> dict[str, str]:
        """What is in force in this variant alone."""
        return {"compiled": "gradients and update apart, by jax.jit"}


def bare_loop(trainer: Any, batches: Sequence[Arrays]) -> Callable[[], float]:
    """A loop over a trainer's native step on arrays that are ready; it gives the last loss."""
    with trainer.model.computing():
        ready = [trainer._split(batch) for batch in batches]

    def loop() -> float:
        with trainer.model.computing():
            for inputs, targets in ready:
                result = trainer.native.train_step(inputs, targets)
        return float(result["loss"])

    return loop
