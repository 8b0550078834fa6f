"""MNISTClassifier trained as PyTorch's own example does it, to hold the other variants against.

The shape of `mnist/main.py` in pytorch/examples: torchvision's data set, whose pictures go one by
one through `ToTensor` and `Normalize`, a `DataLoader`, and a plain loop.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision import transforms

from shared.interface import Arrays
from torch_impl.mnist_cnn import MNISTClassifier

MEAN, STD = 0.1307, 0.3081


class Digits(Dataset[tuple[Tensor, int]]):
    """What torchvision's MNIST is once it has read its files: a picture at a time, transformed."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.data = torch.from_numpy(images[..., 0])  # (N, 28, 28)
        self.targets = torch.from_numpy(labels)
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))]
        )

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.data[index].numpy())
        return self.transform(picture), int(self.targets[index])


def loader(digits: Digits, batch_size: int, count: int) -> DataLoader[tuple[Tensor, int]]:
    """Batches of the first `count` digits, in a new order each time that one goes through them."""
    return DataLoader(Subset(digits, range(count)), batch_size=batch_size, shuffle=True)


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
        torch.manual_seed(seed)
        self.digits = Digits(images, labels)
        self.batch_size = batch_size
        self.device = torch.device(device)
        self.model = MNISTClassifier().to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=learning_rate)

    def train_epoch(self, count: int) -> float:
        """Train once on the first `count` images; their mean loss."""
        losses = []
        self.model.train()
        for data, target in loader(self.digits, self.batch_size, count):
            data, target = data.to(self.device), target.to(self.device)
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(data), target)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def accuracy(self, images: np.ndarray, labels: np.ndarray, batch_size: int = 1000) -> float:
        """Percent of these images that are told right, in evaluation mode."""
        correct = 0
        self.model.eval()
        with torch.no_grad():
            for data, target in DataLoader(Digits(images, labels), batch_size=batch_size):
                data, target = data.to(self.device), target.to(self.device)
                correct += int((self.model(data).argmax(dim=1) == target).sum())
        return 100.0 * correct / len(labels)

    def resolved(self) -> dict[str, str]:
        """What is in force in this variant alone."""
        return {"compiled": "no"}


def bare_loop(trainer: Any, batches: Sequence[Arrays]) -> Callable[[], float]:
    """A loop over a trainer's native step on tensors that are ready; it gives the last loss."""
    ready = [trainer._split(batch) for batch in batches]

    def loop() -> float:
        for inputs, targets in ready:
            result = trainer.native.train_step(inputs, targets)
        return float(result["loss"])

    return loop
