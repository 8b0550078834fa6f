"""A module watched by `nn.intercept_methods` and `sow`; gradients by `jax.grad`.

Everything is compiled: what the layers sow comes out of the compiled function beside its result.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn
from flax import traverse_util
from jax import Array

from flax_impl import training
from flax_impl.engine import compiling, trace, weights
from flax_impl.engine.computing import in_mode
from flax_impl.engine.methods import FlaxMethods
from flax_impl.engine.model import FlaxModel
from shared.boundary import by_name
from shared.interface import Arrays, Derivatives, Dropout, Slots, Trace
from shared.specs import Settings, Task

_SEEN = "intermediates"
_SLOTS = {"trace": "momentum_buffer", "mu": "exp_avg", "nu": "exp_avg_sq"}


class _Watcher:
    """Stands between layers and their callers: sows what goes in and out, and decides on dropout.

    `order` has the keys as they came; a layer in a branch of `nn.cond` is left out where
    `branches` is false, for a branch may not sow what the other one does not.
    """

    def __init__(self, names: Mapping[weights.Path, str], dropout: Dropout, branches: bool) -> None:
        self.names = names
        self.dropout = dropout
        self.branches = branches
        self.order: dict[str, tuple[str, ...]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._containers = {path[:end] for path in names for end in range(len(path))}
        self._root: Any = None

    def __call__(self, call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        """One call of a module's method."""
        module = context.module
        if context.method_name != "__call__" or module.path not in self.names:
            return call(*args, **kwargs)
        if not module.path:
            self._root = module.scope.root
            return call(*args, **kwargs)
        x = args[0] if args else kwargs.get("inputs")
        still = kwargs.get("deterministic", args[1] if len(args) > 1 else None)
        result = self._result(module, x, partial(call, *args, **kwargs), still)
        if self.branches or module.scope.root is self._root:
            if module.path not in self._containers:
                self._sow(module, "in", x)
            for index, part in enumerate(result if isinstance(result, tuple) else (result,)):
                self._sow(module, f"out{index or ''}", part)
        return result

    def _result(self, module: nn.Module, x: Any, call: Any, still: Any) -> Any:
        """A layer's result; a dropout layer's as it was asked for."""
        if not isinstance(module, nn.Dropout) or self.dropout == "own":
            return call()
        still = nn.merge_param("deterministic", module.deterministic, still)
        if still or not callable(self.dropout):
            return x
        return x * self.dropout(self.names[module.path], x.shape) / (1 - module.rate)

    def _sow(self, module: nn.Module, key: str, value: Any) -> None:
        if isinstance(value, Array):
            own = f"__{key}__"  # no attribute's name: modules are in the same tree
            name = f"{self.names[module.path]}:{key}"
            self.order.setdefault(name, (*module.path, own))
            self._shapes[name] = value.shape
            module.sow(_SEEN, own, value)

    def arrays(self, sown: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """What was sown, in the order in which it came; several calls stacked."""
        flat = traverse_util.flatten_dict(dict(sown))
        ordered = {name: flat[path] for name, path in self.order.items() if path in flat}
        return {
            name: np.stack(calls) if len(calls) > 1 else self._once(name, np.array(calls[0]))
            for name, calls in ordered.items()
            if len({call.shape for call in calls}) == 1
        }

    def _once(self, name: str, array: np.ndarray) -> np.ndarray:
        """What came once: `nn.scan` stacks the calls of a loop, the only turn of one too."""
        shape = self._shapes[name]
        return array.reshape(shape) if array.shape == (1, *shape) else array


class FlaxProbe:
    """Watches a model of this panel."""

    def __init__(self, model: FlaxModel) -> None:
        self.model = model
        self._compiled: dict[Any, tuple[_Watcher, Any]] = {}
        self._optimizers: dict[Any, Any] = {}

    def watch(
        self, inputs: Arrays, *, train: bool, dropout: Dropout = "off"
    ) -> dict[str, np.ndarray]:
        """What goes into and comes out of every named layer."""
        for branches in (True, False):
            try:
                return self._watch(inputs, train, dropout, branches)
            except TypeError as error:  # by nn.cond, whose branches must sow alike
                if not branches or "cond branch" not in str(error):
                    raise
        raise AssertionError  # pragma: no cover - the second try returns or raises

    def _watch(
        self, inputs: Arrays, train: bool, dropout: Dropout, branches: bool
    ) -> dict[str, np.ndarray]:
        model = self.model
        native, mode = in_mode(model.native, train)
        watcher = _Watcher(model.names, dropout, branches)

        def run(variables: Any, inputs: Any) -> Any:
            with nn.intercept_methods(watcher):
                _, state = native.apply(
                    variables,
                    *inputs,
                    **mode,
                    rngs={"dropout": jax.random.key(0)},
                    mutable=[*variables, _SEEN],
                )
            return state.get(_SEEN, {})

        with model.computing():
            compiled = compiling.exactly(run, model.variables, model.device)
            return watcher.arrays(compiled(model.variables, model.inputs(inputs)))

    def trace(self, inputs: Arrays) -> Trace:
        """The operations of one pass."""
        model = self.model
        native, mode = in_mode(model.native, train=False)
        with model.computing():
            arrays = model.inputs(inputs)
            return trace.trace(native, mode, model.network, model.names, model.variables, arrays)

    def differentiate(self, batch: Arrays, task: Task, *, dropout: Dropout = "off") -> Derivatives:
        """Forward and backward in training mode."""
        network, tables = self.model.network, self.model.slots
        watcher, loss, (gradients, by_input), state, sown = self.gradients(batch, task, dropout)
        parameters = {n: slot for n, slot in tables.items() if slot.path[0] == "params"}
        buffers = {n: slot for n, slot in tables.items() if slot.path[0] != "params"}
        return Derivatives(
            watcher.arrays(sown),
            np.array(loss),
            weights.to_canonical({"params": gradients}, parameters),
            {
                name: np.array(gradient)
                for name, gradient in zip(network.inputs, by_input, strict=True)
                if gradient is not None
            },
            weights.to_canonical(state, buffers),
        )

    def gradients(self, batch: Arrays, task: Task, dropout: Dropout = "off") -> Any:
        """The watcher, and what the compiled function gives, as arrays of JAX.

        They are the loss, its gradients by parameters and by inputs, the new batch statistics, and
        what the layers have sown.
        """
        model = self.model
        network = model.network
        key = (task, dropout)
        if key not in self._compiled:
            watcher = _Watcher(model.names, dropout, branches=True)
            native, mode = in_mode(model.native, train=True)

            def loss(params: Any, floats: Any, others: Any, state: Any, targets: Any) -> Any:
                inputs = [x if x is not None else y for x, y in zip(floats, others, strict=True)]
                with nn.intercept_methods(watcher):
                    outputs, new = native.apply(
                        {"params": params, **state},
                        *inputs,
                        **mode,
                        rngs={"dropout": jax.random.key(0)},
                        mutable=[*state, _SEEN],
                    )
                value = training.total_loss(task, by_name(network.outputs, outputs), targets)
                new = dict(new)
                sown = new.pop(_SEEN, {})
                return value, (new, sown)

            differentiated = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
            # float32 is compiled as people run it; float64 and masks are for meaning.
            exact = model.dtype == "float64" or callable(dropout)
            self._compiled[key] = (
                watcher,
                compiling.exactly(differentiated, model.variables, model.device)
                if exact
                else jax.jit(differentiated),
            )
        watcher, compiled = self._compiled[key]
        with model.computing():
            inputs = model.inputs({name: batch[name] for name in network.inputs})
            kinds = [spec.dtype == "float" for spec in network.inputs.values()]
            floats = [x if kind else None for x, kind in zip(inputs, kinds, strict=True)]
            others = [None if kind else x for x, kind in zip(inputs, kinds, strict=True)]
            state = {name: tree for name, tree in model.variables.items() if name != "params"}
            (value, (new, sown)), gradients = compiled(
                model.variables.get("params", {}), floats, others, state, model.targets(task, batch)
            )
        return watcher, value, gradients, new, sown

    def optimizer(self, settings: Settings | None, learning_rate: float) -> Any:
        """The optimizer, and the function that makes its step, compiled once."""
        key = (settings, learning_rate)
        if key not in self._optimizers:
            optimizer = training.make_optimizer(settings) if settings else optax.adam(learning_rate)

            def update(params: Any, state: Any, gradients: Any) -> Any:
                updates, state = optimizer.update(gradients, state, params)
                return optax.apply_updates(params, updates), state

            self._optimizers[key] = (
                optimizer,
                jax.jit(update, compiler_options=compiling.quickly()),
            )
        return self._optimizers[key]

    def dropouts(self) -> dict[str, float]:
        """The dropout layers and their rates."""
        return self.model.dropouts

    def methods(self) -> FlaxMethods:
        """What calls the network's other methods."""
        return FlaxMethods(self.model)

    def stepper(
        self, task: Task, settings: Settings | None, learning_rate: float = 1e-3
    ) -> "FlaxStepper":
        """An optimizer at work."""
        return FlaxStepper(self, task, settings, learning_rate)


class FlaxStepper:
    """An optimizer's state beside the model's variables."""

    def __init__(
        self, probe: FlaxProbe, task: Task, settings: Settings | None, learning_rate: float
    ) -> None:
        self.probe, self.model, self.task = probe, probe.model, task
        optimizer, self.update = probe.optimizer(settings, learning_rate)
        with self.model.computing():
            self.state: Any = optimizer.init(self.model.variables["params"])

    def step(self, batch: Arrays) -> None:
        """One step without dropout."""
        _, _, (gradients, _), state, _ = self.probe.gradients(batch, self.task)
        with self.model.computing():
            params = self.model.variables["params"]
            params, self.state = self.update(params, self.state, gradients)
        self.model.variables = {"params": params, **state}

    def slots(self) -> Slots:
        """The optimizer's state by parameter."""
        places = {n: slot for n, slot in self.model.slots.items() if slot.path[0] == "params"}
        slots: Slots = {name: {} for name in places}
        for field, slot in _SLOTS.items():
            tree = optax.tree_utils.tree_get(self.state, field)
            if tree is not None:
                for name, value in weights.to_canonical({"params": tree}, places).items():
                    slots[name][slot] = value
        return slots

    def load_slots(self, slots: Slots, steps: int) -> None:
        """Take another optimizer's state."""
        places = {n: slot for n, slot in self.model.slots.items() if slot.path[0] == "params"}
        fields: dict[str, Any] = {}
        with self.model.computing():
            for field, slot in _SLOTS.items():
                arrays = {name: by_slot[slot] for name, by_slot in slots.items() if slot in by_slot}
                if arrays:
                    like = {"params": self.model.variables["params"]}
                    fields[field] = weights.from_canonical(like, places, arrays)["params"]
            if optax.tree_utils.tree_get_all_with_path(self.state, "count"):
                fields["count"] = jax.numpy.asarray(steps, "int32")
            self.state = optax.tree_utils.tree_set(self.state, **fields)
