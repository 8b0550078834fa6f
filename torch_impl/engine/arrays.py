"""Tensors as arrays of NumPy, whose images have their channels last."""

import numpy as np
from torch import Tensor, nn

_OF_IMAGES = (
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.BatchNorm2d,
    nn.GroupNorm,
    nn.MaxPool2d,
    nn.AvgPool2d,
)


def array(tensor: Tensor, image: bool = False) -> np.ndarray:
    """A copy for NumPy, an image with its channels last."""
    tensor = tensor.detach()
    return (tensor.movedim(1, -1) if image else tensor).cpu().numpy().copy("C")


def makes_images(module: nn.Module, root: nn.Module) -> bool:
    """Whether four axes of a module's output are (B, C, H, W), and not heads of attention."""
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)) and len(module.normalized_shape) < 3:
        return False  # it normalises over the last axes, where the channels then are
    own = any(True for _ in module.parameters())
    within = module if own else root  # a pool or a dropout layer is told by the company it keeps
    return any(isinstance(part, _OF_IMAGES) for part in within.modules())
