"""Loss, train step and evaluation step as Flax and optax code usually has them.

Everything is a function: the step takes variables and optimizer state and returns new ones, and
`jax.jit` compiles it whole. The mode and the dropout key are arguments. The tuned variant has the
same steps, which `engine.tuning` writes anew.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax import Array

from shared.boundary import by_name
from shared.specs import Settings, Task

Variables = Mapping[str, Any]


def make_schedule(settings: Settings) -> Any:
    """The learning rate by the step, up in a line and down along half a cosine, or one number."""
    rate, warmup, decay = settings.learning_rate, settings.warmup_steps, settings.decay_steps
    later = optax.cosine_decay_schedule(rate, decay) if decay else optax.constant_schedule(rate)
    if warmup:
        first = rate / (warmup + 1)
        # optax's own linear schedule divides in float32, even where float64 is asked for.
        return optax.join_schedules([lambda step: first * (step + 1), later], [warmup])
    return later if decay else rate


def make_optimizer(settings: Settings) -> optax.GradientTransformation:
    """The optimizer that the settings name; it knows no parameters yet."""
    rate = make_schedule(settings)
    if settings.optimizer == "sgd":
        optimizer = optax.sgd(rate, settings.momentum or None, settings.nesterov)
    elif settings.optimizer == "adamw":
        optimizer = optax.adamw(rate, eps=settings.epsilon, weight_decay=settings.weight_decay)
    else:
        optimizer = optax.adam(rate, eps=settings.epsilon)
    if settings.clip_norm is None:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(settings.clip_norm), optimizer)


def total_loss(task: Task, outputs: Mapping[str, Array], targets: Mapping[str, Array]) -> Array:
    """The sum of the objectives' means."""
    terms: list[Any] = []
    for objective in task.objectives:
        output, target = outputs[objective.output], targets[objective.target]
        if objective.loss == "cross_entropy":
            # optax gives NaN for labels below 0.
            labels, counts = jnp.maximum(target, 0), target >= 0
            losses = optax.softmax_cross_entropy_with_integer_labels(output, labels)
            if objective.smoothing:
                even = nn.logsumexp(output, axis=-1) - output.mean(axis=-1)
                losses = (1 - objective.smoothing) * losses + objective.smoothing * even
            term = (losses * counts).sum() / jnp.maximum(counts.sum(), 1)
        else:
            term = jnp.square(output - target).mean()
        terms.append(objective.weight * term)
    return sum(terms)  # type: ignore[return-value]


def measure(
    task: Task, outputs: Mapping[str, Array], targets: Mapping[str, Array]
) -> dict[str, Array]:
    """The loss, and what the task's metrics are counted from."""
    return {"loss": total_loss(task, outputs, targets), **count(task, outputs, targets)}


def count(
    task: Task, outputs: Mapping[str, Array], targets: Mapping[str, Array]
) -> dict[str, Array]:
    """What the task's metrics are made of: sums that may be added up over batches."""
    first = task.objectives[0]
    logits, labels = outputs[first.output], targets[first.target]
    likeliest = logits.argmax(axis=-1)
    sums = {"correct": (likeliest == labels).sum(), "counted": (labels >= 0).sum()}
    if "mean_iou" in task.metrics:
        classes = jnp.arange(logits.shape[-1])
        predicted = (likeliest[..., None] == classes).reshape(-1, len(classes))  # (labels, K)
        true = (labels[..., None] == classes).reshape(-1, len(classes))
        sums["intersection"] = (predicted & true).sum(axis=0)
        sums["union"] = (predicted | true).sum(axis=0)
    if "left_early" in task.metrics:
        early = outputs[task.objectives[1].output]
        sums["left"] = (logits == early).all(axis=-1).sum()
    return sums


def count_decoded(
    task: Task, outputs: Mapping[str, Array], targets: Mapping[str, Array], tokens: Array
) -> dict[str, Array]:
    """The digits in sequences, and how many of them are in their place in decoded tokens."""
    first = task.objectives[0]
    expected = targets[first.target]
    end = outputs[first.output].shape[-1] - 1  # the last class is the end of a sequence
    digits = (expected >= 0) & (expected < end)
    return {"digits": digits.sum(), "decoded": (digits & (tokens == expected)).sum()}


def _compiled(function: Callable[..., Any], purpose: str) -> Callable[..., Any]:
    """The function compiled as it is."""
    del purpose
    return jax.jit(function)


def _rest(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """What a dropout layer does as in evaluation; other layers do what they do."""
    if isinstance(context.module, nn.Dropout):
        kwargs = {**kwargs, "deterministic": True}
    return call(*args, **kwargs)


class Trainer:
    """A module's variables with an optimizer's state; each step replaces both.

    `compiled` compiles the two steps, of which it is told the purpose: `engine.tuning.tuned` may be
    in it.
    """

    def __init__(
        self,
        module: nn.Module,
        variables: Variables,
        outputs: list[str],
        task: Task,
        settings: Settings,
        seed: int,
        compiled: Callable[..., Any] = _compiled,
    ) -> None:
        self.variables = variables
        optimizer = make_optimizer(settings)
        self.optimizer_state = optimizer.init(variables["params"])
        self.key = jax.random.key(seed)
        self.step = 0

        def loss(params: Any, state: Variables, key: Array, inputs: Any, targets: Any) -> Any:
            """The loss, and beside it its figures and the new batch statistics."""
            with nullcontext() if settings.dropout else nn.intercept_methods(_rest):
                unnamed, updates = module.apply(
                    {"params": params, **state},
                    *inputs,
                    train=True,
                    rngs={"dropout": key},
                    mutable=list(state),
                )
            result = measure(task, by_name(outputs, unnamed), targets)
            return result["loss"], (result, updates)

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

        def evaluation_step(variables: Variables, inputs: Any, targets: Any) -> Any:
            named = by_name(outputs, module.apply(variables, *inputs, train=False))
            result = measure(task, named, targets)
            if "decoded_accuracy" in task.metrics:
                # Not told the last input, the tokens.
                tokens, _ = module.apply(variables, *inputs[:-1], method="decode")
                result |= count_decoded(task, named, targets, tokens)
            return result

        self._train_step = compiled(train_step, "training")
        self._evaluation_step = compiled(evaluation_step, "inference")

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
