"""MNISTClassifier trained as Keras's own example does it, to hold the other variants against.

The shape of "Simple MNIST convnet" on keras.io: arrays between 0 and 1, `compile` and `fit`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_impl.mnist_cnn import MNISTClassifier
from shared.interface import Arrays


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
        keras.utils.set_random_seed(seed)
        self.batch_size = batch_size
        self.device = "gpu" if device == "cuda" else "cpu"
        self.images = images.astype("float32") / 255
        self.labels = labels
        with keras.device(self.device):
            self.model = MNISTClassifier()
            self.model.compile(
                optimizer=keras.optimizers.Adam(learning_rate),
                loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"],
            )

    def train_epoch(self, count: int) -> float:
        """Train once on the first `count` images; their mean loss."""
        with keras.device(self.device):
            history = self.model.fit(
                self.images[:count],
                self.labels[:count],
                batch_size=self.batch_size,
                epochs=1,
                verbose=0,
            )
        return float(history.history["loss"][-1])

    def resolved(self) -> dict[str, str]:
        """What is in force in this variant alone."""
        plainly = "no" if keras.backend.backend() == "torch" else "as a graph, without XLA"
        return {"compiled": "by XLA" if self.model.jit_compile else plainly}


def bare_loop(trainer: Any, batches: Sequence[Arrays]) -> Callable[[], float]:
    """A loop over a trainer's native step on tensors that are ready; it gives the last loss."""
    with trainer.model.computing():
        ready = [trainer._split(batch) for batch in batches]

    def loop() -> float:
        with trainer.model.computing():
            for inputs, targets in ready:
                result = trainer.native.train_step(inputs, targets)
            return float(result["loss"])

    return loop
