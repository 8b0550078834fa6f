"""Faults that tests put into one backend's process, to see that they are found."""

import os
from typing import Any


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

    from keras_impl.engine import weights

    original = weights.from_canonical

    def turned(slots: Any, arrays: Any) -> None:
        flipped = {n: np.flip(a, -1) if a.ndim == 4 else a for n, a in arrays.items()}
        original(slots, flipped)

    weights.from_canonical = turned


def dies() -> None:
    """End the process at the first network that is built."""
    import flax_impl.engine.backend

    def end(*_: Any, **__: Any) -> Any:
        os._exit(3)

    flax_impl.engine.backend.FlaxBackend.build = end  # type: ignore[method-assign]


def dies_while_it_starts() -> None:
    """End the process when it is asked for its backend, before any network."""
    from shared import registry

    def end(*_: Any, **__: Any) -> Any:
        os._exit(3)

    registry.load = end
