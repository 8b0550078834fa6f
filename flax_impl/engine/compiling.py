"""What compiling costs: XLA's options for what runs a few times only, and the memory it leaves."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from flax_impl.engine import convolutions
from flax_impl.engine.rewriting import Rules, rewritten

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


def quickly(*, loops: bool = False) -> dict[str, Any]:
    """Options with which XLA compiles about five times as fast.

    Args:
        loops: Whether there are loops of XLA's own that take long unless they are optimised.
    """
    options = {**_OPTIONS, "xla_backend_optimization_level": 1} if loops else _OPTIONS
    return {name: value for name, value in options.items() if _known(name, value)}


def exactly(
    function: Callable[..., Any], variables: Any, device: str, *rules: Rules
) -> Callable[..., Any]:
    """A function compiled for a few computations that are to show what a network means.

    Args:
        function: Anything that `jax.jit` takes without static arguments.
        variables: The network's, of which its kernels tell whether it has convolutions of images.
        device: Where it is computed.
        rules: What is computed otherwise besides, see `rewriting`.
    """
    kernels = [x for x in jax.tree.leaves(variables) if x.ndim >= 4 and x.dtype == "float64"]
    library = bool(kernels) and device == "cpu" and convolutions.has_library()
    if library:
        rules = (*rules, convolutions.RULES)
    if rules:
        function = rewritten(function, *rules)
    return jax.jit(function, compiler_options=quickly(loops=bool(kernels) and not library))


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
