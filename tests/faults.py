"""Faults that tests put into one backend's process, to see that they are found."""

import os
from typing import Any


def keras_batch_norm_epsilon() -> None:
    """Keras's own default, 1e-3, in place of 1e-5."""
    from functools import partial

    from keras import layers

    import keras_impl.residual

    keras_impl.residual.BatchNorm = partial(layers.BatchNormalization, momentum=0.9, epsilon=1e-3)


def keras_flatten_channels_last() -> None:
    """A flatten without the transpose before it."""
    from keras import ops

    import keras_impl.mlp

    class Untransposed:
        def __getattr__(self, name: str) -> Any:
            return untransposed if name == "transpose" else getattr(ops, name)

    def untransposed(x: Any, _: Any) -> Any:
        return x

    keras_impl.mlp.ops = Untransposed()  # type: ignore[assignment]


def flax_same_padding() -> None:
    """ "SAME" in place of 1: at stride 2 an even image is padded on one side only."""
    from flax import linen as nn

    import flax_impl.residual

    class Module:
        def __getattr__(self, name: str) -> Any:
            return same if name == "Conv" else getattr(nn, name)

    def same(*args: Any, **kwargs: Any) -> nn.Conv:
        return nn.Conv(*args, **{**kwargs, "padding": "SAME"})

    flax_impl.residual.nn = Module()  # type: ignore[assignment]


def flax_flipped_transposed_kernel() -> None:
    """Flax's own default: a transposed convolution with the kernel turned by half a circle."""
    from flax import linen as nn

    import flax_impl.unet
    import flax_impl.weights

    class Turned(nn.ConvTranspose):
        def param(self, name: str, *args: Any, **kwargs: Any) -> Any:
            value = super().param(name, *args, **kwargs)
            return value[::-1, ::-1] if name == "kernel" else value

    class Module:
        def __getattr__(self, name: str) -> Any:
            return Turned if name == "ConvTranspose" else getattr(nn, name)

    flax_impl.weights._TENSORS[Turned] = flax_impl.weights._TENSORS[nn.ConvTranspose]
    flax_impl.unet.nn = Module()  # type: ignore[assignment]


def keras_inverted_mask() -> None:
    """True where attention may not go, as PyTorch's own layer means it."""
    from keras import ops

    import keras_impl.attention

    class Inverted:
        def __getattr__(self, name: str) -> Any:
            return inverted if name == "where" else getattr(ops, name)

    def inverted(mask: Any, scores: Any, least: Any) -> Any:
        return ops.where(mask, least, scores)

    keras_impl.attention.ops = Inverted()  # type: ignore[assignment]


def torch_gate_order() -> None:
    """Keras's order of the gates, z before r."""
    import torch

    import torch_impl.recurrent

    class Swapped(torch_impl.recurrent.GRUCell):
        def forward(self, x: Any, h: Any) -> Any:
            in_z, in_r, in_n = self.input_gates(x).chunk(3, dim=-1)
            h_z, h_r, h_n = self.hidden_gates(h).chunk(3, dim=-1)
            z = torch.sigmoid(in_z + h_z)
            n = torch.tanh(in_n + torch.sigmoid(in_r + h_r) * h_n)
            return (1 - z) * n + z * h

    torch_impl.recurrent.GRUCell = Swapped  # type: ignore[misc]


def torch_extra_bias() -> None:
    """One bias too many: counts, names and shapes change."""
    from torch import nn

    import torch_impl.branching

    class Biased(torch_impl.branching.BranchingNet):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.extra = nn.Linear(1, 1)

    torch_impl.branching.BranchingNet = Biased  # type: ignore[misc]


def flax_not_finite() -> None:
    """Outputs that are NaN, which no comparison may take for equal."""
    import jax.numpy as jnp

    import flax_impl.mlp

    class Broken(flax_impl.mlp.BasicNet):
        def __call__(self, x: Any, train: bool = False) -> Any:
            return super().__call__(x, train) * jnp.nan

    flax_impl.mlp.BasicNet = Broken  # type: ignore[misc]


def keras_swapped_kernels() -> None:
    """Kernels loaded without turning their axes, where the shapes allow it."""
    import numpy as np

    from keras_impl import weights

    original = weights.from_canonical

    def turned(slots: Any, arrays: Any) -> None:
        flipped = {n: np.flip(a, -1) if a.ndim == 4 else a for n, a in arrays.items()}
        original(slots, flipped)

    weights.from_canonical = turned


def dies() -> None:
    """End the process at the first network that is built."""
    import flax_impl.backend

    def end(*_: Any, **__: Any) -> Any:
        os._exit(3)

    flax_impl.backend.FlaxBackend.build = end  # type: ignore[method-assign]
