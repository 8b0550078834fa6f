"""Loss, train step and evaluation step as Flax and optax code usually has them.

Everything is a function: the step takes variables and optimizer state and returns new ones, and
`jax.jit` compiles it whole. The mode and the dropout key are arguments.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax import Array

from shared.interface import by_name
from shared.specs import Settings, Task

Variables = Mapping[str, Any]


def make_optimizer(settings: Settings) -> optax.GradientTransformation:
    """The optimizer that the settings name; it knows no parameters yet."""
    if settings.optimizer == "sgd":
        return optax.sgd(settings.learning_rate, settings.momentum)
    return optax.adam(settings.learning_rate)


def total_loss(
    task: Task, outputs: Mapping[str, Array], targets: Mapping[str, Array]
) -> dict[str, Array]:
    """The sum of the objectives' batch means, and how many examples the first one gets right."""
    terms: list[Any] = []
    for objective in task.objectives:
        output, target = outputs[objective.output], targets[objective.target]
        if objective.loss == "cross_entropy":
            term = optax.softmax_cross_entropy_with_integer_labels(output, target).mean()
        else:
            term = jnp.square(output - target).mean()
        terms.append(objective.weight * term)
    first = task.objectives[0]
    right = outputs[first.output].argmax(axis=-1) == targets[first.target]
    return {"loss": sum(terms), "correct": right.sum()}


class Trainer:
    """A module's variables with an optimizer's state; each step replaces both."""

    def __init__(
        self,
        module: nn.Module,
        variables: Variables,
        outputs: list[str],
        task: Task,
        settings: Settings,
        seed: int,
    ) -> None:
        self.variables = variables
        optimizer = make_optimizer(settings)
        self.optimizer_state = optimizer.init(variables["params"])
        self.key = jax.random.key(seed)
        self.step = 0

        def loss(params: Any, state: Variables, key: Array, inputs: Any, targets: Any) -> Any:
            """The loss, and beside it its figures and the new batch statistics."""
            found, updates = module.apply(
                {"params": params, **state},
                *inputs,
                train=True,
                rngs={"dropout": key},
                mutable=list(state),
            )
            result = total_loss(task, by_name(outputs, found), targets)
            return result["loss"], (result, updates)

        @jax.jit
        def train_step(
            variables: Variables, optimizer_state: Any, key: Array, inputs: Any, targets: Any
        ) -> Any:
            params = variables["params"]
            state = {name: tree for name, tree in variables.items() if name != "params"}
            gradients, (result, state) = jax.grad(loss, has_aux=True)(
                params, state, key, inputs, targets
            )
            updates, optimizer_state = optimizer.update(gradients, optimizer_state, params)
            params = optax.apply_updates(params, updates)
            return {"params": params, **state}, optimizer_state, result

        @jax.jit
        def evaluation_step(variables: Variables, inputs: Any, targets: Any) -> Any:
            found = module.apply(variables, *inputs, train=False)
            return total_loss(task, by_name(outputs, found), targets)

        self._train_step = train_step
        self._evaluation_step = evaluation_step

    def train_step(
        self, inputs: tuple[Array, ...], targets: Mapping[str, Array]
    ) -> Mapping[str, Array]:
        """One optimizer step."""
        key = jax.random.fold_in(self.key, self.step)
        self.step += 1
        self.variables, self.optimizer_state, result = self._train_step(
            self.variables, self.optimizer_state, key, inputs, targets
        )
        return result

    def evaluation_step(
        self, inputs: tuple[Array, ...], targets: Mapping[str, Array]
    ) -> Mapping[str, Array]:
        """The same figures in evaluation mode."""
        return self._evaluation_step(self.variables, inputs, targets)
