"""A network as plain data, which each framework's builder makes of its own stock layers."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One step of a network.

    Attributes:
        kind: What it is, "conv" for instance.
        into: The shape of what goes in, without the batch axis, channels last.
        options: Everything else.
    """

    kind: str
    into: Shape
    options: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.options[name]

    @property
    def channels(self) -> int:
        """How many channels, or features, go in."""
        return self.into[-1]

    @property
    def axes(self) -> int:
        """How many axes lie between those of the batch and of the channels."""
        return len(self.into) - 1

    def spread(self) -> list[int]:
        """How far a kernel reaches along each axis, with its dilation."""
        dilation = self.options.get("dilation", (1,) * self.axes)
        return [(k - 1) * d + 1 for k, d in zip(self["kernel"], dilation, strict=True)]

    def crops(self) -> list[int]:
        """What a transposed convolution leaves out at either end of each axis.

        Where a stride is longer than the kernel, what it gives ends with the stride.
        """
        if self["padding"] == "valid":
            return [0] * self.axes
        wholes = [max(k - s, 0) for k, s in zip(self["kernel"], self["stride"], strict=True)]
        return [whole // 2 for whole in wholes]

    def padding(self) -> list[tuple[int, int]]:
        """The zeros before and after, along each axis; of "same" as TensorFlow has them."""
        if self["padding"] == "valid":
            return [(0, 0)] * self.axes
        if self["padding"] != "same":
            return [*self["padding"]]
        sides = []
        reach = zip(self.into, self.spread(), self["stride"], strict=False)
        for size, spread, stride in reach:
            whole = max((-(-size // stride) - 1) * stride + spread - size, 0)
            sides.append((whole // 2, whole - whole // 2))
        return sides


AFFINE = (True, (True, True), (True, False))
WITH_TENSORS = {"dense", "conv", "transposed", "embedding", "rms norm"}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A network.

    Attributes:
        shape: The input's shape, without the batch axis, channels last.
        batch: How many examples are compared.
        vocabulary: How many tokens there are, where the input is tokens; 0 where it is numbers.
        style: How its layers are kept: "attributes", "list", "sequential" or "functional".
        layers: What happens to the input, in order.
    """

    shape: Shape
    batch: int
    vocabulary: int
    style: str
    layers: tuple[Layer, ...]

    @property
    def has_tensors(self) -> bool:
        """Whether any layer has parameters or statistics."""
        return any(
            layer.kind in (*WITH_TENSORS, "batch norm") or layer.options.get("affine") in AFFINE
            for layer in self.layers
        )

    @property
    def kinds(self) -> set[str]:
        """What it is made of: kinds of layers, activations by name, and the style."""
        names = {f"{layer.kind} {layer.axes}" for layer in self.layers}
        names |= {layer["name"] for layer in self.layers if layer.kind == "activation"}
        return names | {self.style}

    def inputs(self) -> np.ndarray:
        """Sample inputs."""
        random = np.random.default_rng(len(self.layers))
        whole = (self.batch, *self.shape)
        if self.vocabulary:
            return random.integers(0, self.vocabulary, whole)
        return random.normal(size=whole).astype("float32")
