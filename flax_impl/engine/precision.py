"""Mixed precision: a network computes in bfloat16, and its variables are float32.

Flax computes in the dtype of what a layer is given, unless the layer names one. So the parameters
and the inputs become bfloat16 on their way in, and the outputs float32 on their way out; gradients
come back the same way, to float32 parameters. Batch norm's statistics are not cast, and Flax sums
them in float32.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array


def cast(tree: Any, dtype: Any) -> Any:
    """Arrays of any structure in a dtype; whole numbers and masks stay."""

    def one(array: Array) -> Array:
        return array.astype(dtype) if jnp.issubdtype(array.dtype, jnp.floating) else array

    return jax.tree.map(one, tree)


class Mixed(nn.Module):
    """A network computed in bfloat16, with the network's own variables in float32."""

    module: nn.Module

    def setup(self) -> None:
        """Have the network's variables as one's own."""
        nn.share_scope(self, self.module)

    def __call__(self, *inputs: Array, train: bool = False) -> Any:
        """The network's outputs in float32."""
        return self._computed("__call__", *inputs, train=train)

    def decode(self, *inputs: Array) -> Any:
        """What the network's `decode` gives, in float32."""
        return self._computed("decode", *inputs)

    def _computed(self, method: str, *inputs: Array, **mode: bool) -> Any:
        def compute(module: nn.Module, *inputs: Array) -> Any:
            return getattr(module, method)(*inputs, **mode)

        mapped = nn.map_variables(compute, "params", lambda tree: cast(tree, jnp.bfloat16))
        return cast(mapped(self.module, *cast(inputs, jnp.bfloat16)), jnp.float32)
