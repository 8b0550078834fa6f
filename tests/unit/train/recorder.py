"""A model that only notes what it is given, and rows that are told apart."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from shared.data.tasks import TaskData

COUNT, TESTED = 10, 1003


class Recorder:
    """A model and its trainer: a loss of 1/step, and a network that is right on even labels."""

    def __init__(self, losses: float | None = None) -> None:
        self.batches: list[np.ndarray] = []
        self.evaluated: list[np.ndarray] = []
        self.epochs: list[tuple[float, float, float]] = []
        self.fixed = losses

    def trainer(self, *_: Any) -> "Recorder":
        return self

    def train_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        assert (batch["image"][:, 0] == batch["label"]).all(), "rows must stay together"
        self.batches.append(batch["label"])
        loss = self.fixed if self.fixed is not None else 1 / len(self.batches)
        return {"loss": np.float32(loss), **self.count(batch)}

    def evaluation_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        self.evaluated.append(batch["label"])
        return {"loss": np.float32(batch["label"].mean()), **self.count(batch)}

    @staticmethod
    def count(batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        labels = batch["label"]
        return {"correct": np.sum(labels % 2 == 0), "counted": len(labels)}

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        self.epochs.append((loss, train_accuracy, val_accuracy))


def data() -> TaskData:
    def arrays(count: int) -> dict[str, np.ndarray]:
        labels = np.arange(count, dtype=np.int32)
        return {"image": labels[:, None].astype(np.float32), "label": labels}

    return TaskData(arrays(COUNT), arrays(TESTED), "made", "here")
