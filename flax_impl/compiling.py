"""XLA's options for what runs once or a few times, where compiling takes longer than running."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

# Fused operations written in one piece are most of the time that compiling takes on a CPU.
_OPTIONS = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


@cache
def _known(name: str, value: int) -> bool:
    """Whether the installed XLA has an option; they come and go with its versions."""
    try:
        jax.jit(jnp.sin, compiler_options={name: value}).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def quickly(variables: Any = None) -> dict[str, Any]:
    """Options with which XLA compiles about five times as fast.

    A network with such `variables` is to be computed: in float64 XLA has no library for
    convolutions, and its own loops for them are slow unless they are optimised.
    """
    arrays = jax.tree.leaves(variables)
    loops = any(array.ndim == 4 and array.dtype == "float64" for array in arrays)
    options = {**_OPTIONS, "xla_backend_optimization_level": 1} if loops else _OPTIONS
    return {name: value for name, value in options.items() if _known(name, value)}
