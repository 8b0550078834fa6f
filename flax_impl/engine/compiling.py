"""What compiling costs: XLA's options for what runs a few times only, and the memory it leaves."""

import ctypes
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache, wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from flax_impl.engine import convolutions
from flax_impl.engine.rewriting import Rules, rewritten

# Fused operations written in one piece are most of the time that compiling takes on a CPU.
_OPTIONS = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
_COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge"}


@cache
def _known(name: str, value: int) -> bool:
    """Whether the installed XLA has an option; they come and go with its versions."""
    try:
        jax.jit(jnp.sin, compiler_options={name: value}).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def quickly(*, optimised: bool = False) -> dict[str, Any]:
    """Options with which XLA compiles about five times as fast.

    Args:
        optimised: Whether the code is optimised a little, which takes some of that back.
    """
    options = {**_OPTIONS, "xla_backend_optimization_level": 1} if optimised else _OPTIONS
    return {name: value for name, value in options.items() if _known(name, value)}


def exactly(
    function: Callable[..., Any], variables: Any, device: str, *rules: Rules
) -> Callable[..., Any]:
    """A function compiled for a few computations that are to show what a network means.

    Code is optimised where it has to be. A loop of XLA's own takes long otherwise. A fused
    operation computes its operands again, with other rounding where the code is not optimised: then
    a maximum equals none of the values that it is of.

    Args:
        function: Anything that `jax.jit` takes without static arguments.
        variables: The network's, of which its kernels tell whether it has convolutions of images.
        device: Where it is computed.
        rules: What is computed otherwise besides, see `rewriting`.
    """
    kernels = [x for x in jax.tree.leaves(variables) if x.ndim >= 4 and x.dtype == "float64"]
    on_cpu = bool(kernels) and device == "cpu"
    if on_cpu:
        rules = (*rules, convolutions.RULES)
    if rules:
        function = rewritten(function, *rules)
    loops = bool(kernels) and not (on_cpu and convolutions.has_library())
    usual = jax.jit(function, compiler_options=quickly(optimised=loops))
    if loops:
        return usual
    optimised = jax.jit(function, compiler_options=quickly(optimised=True))
    chosen: dict[Any, Callable[..., Any]] = {}

    @wraps(function)
    def called(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        key = (structure, *map(jax.typeof, leaves))
        if key not in chosen:
            traced = usual.trace(*arguments).jaxpr.jaxpr
            chosen[key] = optimised if compares(traced) else usual
        return chosen[key](*arguments)

    return called


def compares(jaxpr: Jaxpr, constants: Collection[Any] = ()) -> bool:
    """Whether what is computed depends on comparing two floating-point values, no constants.

    Args:
        jaxpr: A traced function.
        constants: Its inputs that are constants.
    """
    constants = {*constants}
    for equation in _needed(jaxpr):
        name = equation.primitive.name
        operands: list[Any] = equation.invars
        fixed = [isinstance(operand, Literal) or operand in constants for operand in operands]
        if all(fixed):
            constants.update(equation.outvars)
        elif name in _COMPARISONS and not any(fixed):
            if jnp.issubdtype(operands[0].aval.dtype, jnp.floating):
                return True
        elif name in ("jit", "pjit"):
            inner = equation.params["jaxpr"].jaxpr
            if compares(inner, [x for x, known in zip(inner.invars, fixed, strict=True) if known]):
                return True
        elif any(map(compares, _inner(equation.params.values()))):
            return True
    return False


def _needed(jaxpr: Jaxpr) -> list[JaxprEqn]:
    """The equations that the outputs depend on, in order: XLA leaves the others out."""
    variables, needed = {x for x in jaxpr.outvars if not isinstance(x, Literal)}, []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or not variables.isdisjoint(equation.outvars):
            needed.append(equation)
            variables.update(x for x in equation.invars if not isinstance(x, Literal))
    return needed[::-1]


def _inner(parameters: Iterable[Any]) -> Iterator[Jaxpr]:
    """The jaxprs among an equation's parameters: of loops, conditions, and calls."""
    for parameter in parameters:
        if isinstance(parameter, ClosedJaxpr):
            yield parameter.jaxpr
        elif isinstance(parameter, Jaxpr):
            yield parameter
        elif isinstance(parameter, tuple):
            yield from _inner(parameter)


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
