"""What XLA compiles for few computations: the values that it gives, and what it takes care of."""

from typing import Any

import numpy as np
import pytest

from tests.assertions import close
from tests.conftest import Lend


def functions() -> dict[str, Any]:  # in a worker
    """Functions of a matrix, by what they do."""
    import jax
    from flax import linen as nn
    from jax import lax
    from jax import numpy as jnp

    def dropout(x: Any) -> Any:
        return nn.Dropout(0.5, deterministic=False).apply(
            {}, x, rngs={"dropout": jax.random.key(0)}
        )

    def gradient(function: Any) -> Any:
        return jax.grad(lambda x: function(x).sum())

    def turn(carry: Any, x: Any) -> Any:
        return carry, x == jnp.tanh(x)

    return {
        # of a value and a constant, or of what nothing depends on
        "relu": gradient(nn.relu),
        "dropout": gradient(dropout),
        "log softmax": gradient(nn.log_softmax),
        "classes": lambda x: x.argmax(1) == jnp.arange(len(x)),
        "clipped": lambda x: jnp.clip(x, -1, 1),
        # of two values
        "maximum": gradient(lambda x: x.max(1)),
        "maximum with 0": gradient(lambda x: jnp.maximum(x, 0)),
        "largest": lambda x: x >= lax.top_k(x, 2)[0][:, 1:],
        "in a function": jax.jit(lambda x: x == jnp.tanh(x)),
        "in a loop": lambda x: lax.scan(turn, 0, x)[1],
        "in a branch": lambda x: lax.cond(x[0, 0] > 0, lambda: x == x * 2, lambda: x != x * 2),
    }


def compared(name: str) -> bool:  # in a worker
    import jax

    from flax_impl.engine import compiling

    return compiling.compares(jax.make_jaxpr(functions()[name])(np.ones((3, 4), "float32")).jaxpr)


@pytest.mark.parametrize("name", ["relu", "dropout", "log softmax", "classes", "clipped"])
def test_no_values_are_compared_with_each_other(lend: Lend, name: str) -> None:
    assert not lend("flax").call(compared, name)


@pytest.mark.parametrize(
    "name",
    ["maximum", "maximum with 0", "largest", "in a function", "in a loop", "in a branch"],
)
def test_values_are_compared_with_each_other(lend: Lend, name: str) -> None:
    assert lend("flax").call(compared, name)


def largest(seed: int) -> tuple[np.ndarray, np.ndarray]:  # in a worker
    """A normalised matrix's largest values, differentiated: compiled, and step by step."""
    import jax

    from flax_impl.engine import compiling

    def squares(x: Any, scale: Any) -> Any:
        centred = x - x.mean(0)
        normal = centred * (jax.lax.rsqrt((centred**2).mean(0) + 1e-3) * scale) + scale**2
        return (normal.max(0) ** 2).sum()

    with jax.enable_x64(True):
        random = np.random.default_rng(seed)
        x, scale = random.normal(size=(5, 4)), random.normal(size=4)
        compiled = compiling.exactly(jax.grad(squares), {}, "cpu")(x, scale)
        with jax.disable_jit():
            return np.asarray(compiled), np.asarray(jax.grad(squares)(x, scale))


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_a_maximum_is_finite(lend: Lend, seed: int) -> None:
    compiled, expected = lend("flax").call(largest, seed)
    assert compiled.shape == (5, 4)
    assert close(compiled, expected, 1e-12)
