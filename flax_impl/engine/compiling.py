"""What compiling costs: XLA's options for what runs a few times only, and the memory it leaves."""

import ctypes
import sys
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


@cache
def give_memory_back() -> None:
    """From now on, give back to the system what the compiler has freed, each time that it ran.

    glibc keeps it otherwise, a gigabyte after the largest networks, beside what a step needs.
    """
    if sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        return

    def compiled(event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration" and duration_secs > 1:
            libc.malloc_trim(0)

    jax.monitoring.register_event_duration_secs_listener(compiled)
