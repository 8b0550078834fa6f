"""A JAX function evaluated again, with some of its primitives computed by other means.

`rewritten(function, rules)` traces the function to a jaxpr and evaluates that, equation by
equation: what a rule gives takes the primitive's place. What comes out can be differentiated and
compiled like any other function.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Literal

Rules = Mapping[str, Callable[..., Any]]
"""By the name of a primitive, what is given its operands and its parameters: outputs in its place,
or None where it leaves the primitive as it is."""


def rewritten(function: Callable[..., Any], *rules: Rules) -> Callable[..., Any]:
    """The same function of arrays, by the first of the rules that gives something.

    Args:
        function: Anything that `jax.jit` takes without static arguments.
        rules: Tables of rules, the preferred ones first.
    """

    @wraps(function)
    def again(*arguments: Any, **named: Any) -> Any:
        traced, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments, **named)
        outputs = _evaluate(traced, jax.tree.leaves((arguments, named)), rules)
        return jax.tree.unflatten(jax.tree.structure(shapes), outputs)

    return again


def _evaluate(traced: ClosedJaxpr, arguments: Sequence[Any], rules: Sequence[Rules]) -> list[Any]:
    """Compute what a jaxpr says, by the rules where one gives something."""
    jaxpr = traced.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, traced.consts, strict=True))
    values.update(zip(jaxpr.invars, arguments, strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    for equation in jaxpr.eqns:
        primitive, operands = equation.primitive, [read(variable) for variable in equation.invars]
        evaluated = None
        if primitive.name in ("jit", "pjit"):  # becomes part of the function around it
            evaluated = _evaluate(equation.params["jaxpr"], operands, rules)
        else:
            for table in rules:
                if evaluated is None and primitive.name in table:
                    evaluated = table[primitive.name](*operands, **equation.params)
        if evaluated is None:
            inside = {name: _within(value, rules) for name, value in equation.params.items()}
            with equation.ctx.manager:
                evaluated = primitive.bind(*operands, **primitive.get_bind_params(inside))
        outputs = evaluated if primitive.multiple_results else [evaluated]
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _within(parameter: Any, rules: Sequence[Rules]) -> Any:
    """An equation's parameter; the bodies of loops and the branches of conditions tuned too."""
    if isinstance(parameter, tuple) and any(isinstance(one, ClosedJaxpr) for one in parameter):
        return tuple(_within(one, rules) for one in parameter)
    if not isinstance(parameter, ClosedJaxpr):
        return parameter
    return jax.make_jaxpr(lambda *inputs: _evaluate(parameter, inputs, rules))(*parameter.in_avals)
