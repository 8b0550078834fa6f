"""What several specs are made with: images, and networks of the usual inputs and outputs."""

from __future__ import annotations

import math

from shared.specs.model import Config, Network, Tensor

IMAGE = Tensor("HWC", (28, 28, 1))
WIDE_IMAGE = Tensor("HWC", (4, 196, 1))
"""An image that flattens to 49 pixels after two poolings, as 28x28 does, and is no square.

A network that swaps height and width is found out by it.
"""
ODD_IMAGE = Tensor("HWC", (7, 199, 1))
"""An image of as many pixels after two poolings, of which each leaves out a row and a column."""


def image_of_any_size(height: int, breadth: int) -> Tensor:
    """An image for a network that takes every height and width; this one is an example."""
    return Tensor("HWC", (height, breadth, 1), any_size=True)


def flat_image(image: Tensor, size: int) -> Tensor:
    """What a perceptron of `size` inputs takes: the image if it has as many values, or a vector."""
    return image if math.prod(image.shape) == size else Tensor("D", (size,))


def classifier(file: str, cls: str, config: Config, image: Tensor, classes: int) -> Network:
    """A network from one image to one vector of logits."""
    return Network(file, cls, config, {"image": image}, {"logits": Tensor("K", (classes,))})


def perceptron(
    file: str,
    cls: str,
    input_size: int = 784,
    hidden_size: int = 128,
    output_size: int = 10,
    dropout_rate: float = 0.2,
    image: Tensor = IMAGE,
) -> Network:
    """A perceptron with two hidden layers and dropout, as two architectures write it."""
    config = {
        "input_size": input_size,
        "hidden_size": hidden_size,
        "output_size": output_size,
        "dropout_rate": dropout_rate,
    }
    return classifier(file, cls, config, flat_image(image, input_size), output_size)


def block(
    file: str, cls: str, config: Config, image: tuple[int, ...], features: tuple[int, ...]
) -> Network:
    """A part of a network on its own, from feature maps (H, W, C) to feature maps."""
    return Network(
        file,
        cls,
        config,
        {"image": Tensor("HWC", image, any_size=True)},
        {"features": Tensor("HWC", features)},
    )
