"""Where two backends first part, and why: the first layer in the order of execution.

Forward, that is the first layer whose input or output differs; backward, the last layer whose
parameters have other gradients, for a gradient runs from the end to the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from shared.differences import gap, row_gap, sketch_difference, unpadded
from shared.parity import causes, recipes, samples
from shared.parity.evidence import Arrays, CaseEvidence
from shared.specs import Settings

LOSS = "the loss of equal outputs"


class Tolerances(Protocol):
    """Tells what arrays may differ by, as a whole or in any row."""

    def __call__(self, keys: Iterable[str], *, by_row: bool = False) -> dict[str, float]:
        """By the arrays' names."""
        raise NotImplementedError


@dataclass(frozen=True)
class Divergence:
    """The first difference between two backends.

    `layer` is a canonical name, "" for the network's own outputs or the loss. `point` says in words
    what differs there. `kind` and `cause` are "" where no known convention fits, `place` where no
    line of a network is known (`shared.parity.places`).
    """

    rung: str
    mode: str
    layer: str
    point: str
    difference: float
    kind: str = ""
    cause: str = ""
    place: str = ""

    @property
    def size(self) -> str:
        """How far it differs, as a sentence ends: "by 2.1e-02"."""
        return f"by {self.difference:.1e}" if np.isfinite(self.difference) else "beyond measure"

    @property
    def text(self) -> str:
        """One sentence."""
        message = f"first {self.point} differs {self.size}"
        return (
            f"{message}: {self.cause}"
            if self.cause
            else f"{message}; no known convention explains it"
        )


def told(
    rung: str, mode: str, layer: str, point: str, difference: float, cause: causes.Cause | None
) -> Divergence:
    """A divergence with its cause, if there is one."""
    kind, text = (cause.kind, cause.text) if cause else ("", "")
    return Divergence(rung, mode, layer, point, difference, kind, text)


def locate(
    a: CaseEvidence, b: CaseEvidence, dtype: str, rung: str, tolerances: Tolerances
) -> Divergence | None:
    """The first divergence, looked for forward, in the loss, backward, and in updates."""
    search = _Search(a, b, dtype, rung, tolerances)
    if rung in ("forward", "activations"):
        return search.forward("evaluation") or search.outputs() or search.forward("training")
    if rung.startswith("optimizers/"):
        return search.update(rung.partition("/")[2])
    if rung == "buffers":
        return search.forward("training") or search.buffers()
    return search.forward("training") or search.loss() or search.backward()


class _Search:
    def __init__(
        self, a: CaseEvidence, b: CaseEvidence, dtype: str, rung: str, tolerances: Tolerances
    ) -> None:
        self.a, self.b, self.dtype, self.rung = a, b, dtype, rung
        self.tolerances = tolerances
        self.names = (a.backend, b.backend)

    def sides(self, rung: str) -> tuple[Arrays, Arrays]:
        """Both backends' arrays of a rung."""
        return self.a.under(self.dtype, rung), self.b.under(self.dtype, rung)

    def divergence(
        self,
        mode: str,
        layer: str,
        point: str,
        difference: float,
        cause: causes.Cause | None,
    ) -> Divergence:
        """A divergence with its cause, if there is one."""
        return told(self.rung, mode, layer, point, difference, cause)

    def weights(self, layer: str) -> Arrays:
        """A layer's own tensors."""
        start = f"{layer}."
        tensors = self.a.under(self.dtype, "weights")
        return {
            name.removeprefix(start): array
            for name, array in tensors.items()
            if name.startswith(start) and "." not in name.removeprefix(start)
        }

    def others(self, layer: str) -> dict[str, Arrays]:
        """The tensors of all other layers."""
        names = self.a.under(self.dtype, "weights")
        layers = dict.fromkeys(name.rpartition(".")[0] for name in names)
        return {name: self.weights(name) for name in layers if name != layer}

    def forward(self, mode: str) -> Divergence | None:
        """The first layer whose input or output differs."""
        one, other = self.sides(mode)
        shared = [name for name in one if name in other]
        keys = [f"{mode}/{name}" for name in shared]
        allowed, in_rows = self.tolerances(keys), self.tolerances(keys, by_row=True)
        before: Arrays = dict(self.a.under(self.dtype, "inputs"))
        for name in shared:
            layer, _, which = name.rpartition(":")
            first, second = one[name], other[name]
            if which == "in":
                first, second, _ = unpadded(first, second)
            size = gap(first, second)
            if size <= allowed[f"{mode}/{name}"]:
                size = row_gap(first, second)
                if size <= in_rows[f"{mode}/{name}"]:
                    before[name] = first
                    continue
            if which == "in":
                seen, ours, theirs = self.one_call(mode, before, first, second)
                tensors = self.a.under(self.dtype, "weights")
                cause = causes.explain_between(*self.names, seen, ours, theirs, tensors)
                return self.divergence(mode, layer, f"the input of {layer}", size, cause)
            tensors, has_input = self.weights(layer), (f"{layer}:in" in shared)
            if tensors and has_input and which == "out":
                ins = unpadded(one[f"{layer}:in"], other[f"{layer}:in"])[:2]
                cause = causes.explain_layer(
                    *self.names,
                    tensors,
                    ins[0],
                    first,
                    ins[1],
                    second,
                    mode == "training",
                    self.others(layer),
                )
            else:
                cause = causes.explain_between(*self.names, before, first, second)
            return self.divergence(mode, layer, f"the output of {layer}", size, cause)
        return None

    def one_call(
        self, mode: str, before: Arrays, first: np.ndarray, second: np.ndarray
    ) -> tuple[Arrays, np.ndarray, np.ndarray]:
        """Of a layer that is called several times the first call that differs.

        Before it comes what the layers gave in the call before, as far as they agree.
        """
        batch = len(next(iter(self.a.under(self.dtype, "inputs").values()), ()))
        stacked = first.ndim > 2 and len(first) != batch == first.shape[1]
        if not stacked or first.shape != second.shape:
            return before, first, second
        gaps = np.abs(first.astype(float) - second).reshape(len(first), -1).max(axis=1)
        near = 1e-6 * gaps.max()
        at = int(np.argmax(gaps > near))
        one, other = self.sides(mode)
        past = {
            name: array[at - 1]
            for name, array in one.items()
            if at
            and array.shape[:2] == first.shape[:2]
            and name in other
            and array.shape == other[name].shape
            and np.abs(array[at - 1].astype(float) - other[name][at - 1]).max() <= near
        }
        alone = {name: array for name, array in before.items() if len(array) == batch}
        return {**alone, **past}, first[at], second[at]

    def outputs(self) -> Divergence | None:
        """The network's own outputs, where all layers agree; dropout was off in these."""
        still = self.sides("own dropout")
        for name in [name for name in still[0] if name in still[1]]:
            for backend, figures in zip(self.names, still, strict=True):
                if figures[name][3] != 0:
                    cause = causes.Cause("dropout", f"{backend} drops values in evaluation mode")
                    size = float(figures[name][3])
                    return self.divergence("evaluation", name, f"the output of {name}", size, cause)
        one, other = self.sides("forward")
        keys = [f"forward/{name}" for name in one]
        allowed, in_rows = self.tolerances(keys), self.tolerances(keys, by_row=True)
        for name in [name for name in one if name in other]:
            size = gap(one[name], other[name])
            if size <= allowed[f"forward/{name}"]:
                size = row_gap(one[name], other[name])
                if size <= in_rows[f"forward/{name}"]:
                    continue
            output = name.partition("/")[2]
            why = causes.explain_outputs(*self.names, one[name], other[name])
            return self.divergence("evaluation", "", f"the network's output {output}", size, why)
        return None

    def loss(self) -> Divergence | None:
        """The loss of equal outputs."""
        for rung in ("loss", "dropout loss"):
            one, other = self.sides(rung)
            if "value" not in one or "value" not in other:
                continue
            size = gap(one["value"], other["value"])
            if size > self.tolerances([f"{rung}/value"])[f"{rung}/value"]:
                if rung != "loss":
                    return self.divergence("training", "", "the loss with given masks", size, None)
                cause: causes.Cause | None = None
                if one["value"].size == other["value"].size == 1:
                    values = one["value"].item(), other["value"].item()
                    cause = causes.explain_loss(*self.names, *values, self.sizes())
                    sides = (one["value"], other["value"])
                    terms = self.terms()
                    if self.dtype == "float64" or len(terms) == 1:  # rounding fits one of many
                        cause = cause or causes.explain_terms(*self.names, *sides, terms)
                return self.divergence("training", "", LOSS, size, cause)
        return None

    def terms(self) -> list[causes.Term]:
        """The objectives: targets, and what layers gave that may have been held against them."""
        layers = {
            name.partition(":out")[0]: array
            for name, array in reversed(self.a.under(self.dtype, "training").items())
            if ":out" in name
        }
        targets = self.a.under(self.dtype, "targets")
        terms = []
        for key, output in self.a.under(self.dtype, "forward").items():
            batch, _, name = key.partition("/")
            for of, target in targets.items() if batch == str(samples.BATCHES[0]) else ():
                shape = (
                    (*target.shape, output.shape[-1]) if target.dtype.kind in "iu" else target.shape
                )
                if of in (f"target of {name}", "labels") or shape[1:] == output.shape[1:]:
                    fitting = {layer: x for layer, x in layers.items() if x.shape == shape}
                    terms.append(causes.Term(name, target, fitting))
                    break
        return terms

    def sizes(self) -> dict[str, int]:
        """What a loss may be summed over."""
        counts: dict[str, int] = {}
        for target in self.a.under(self.dtype, "targets").values():
            counts.setdefault("batch", len(target))
            counted = int((target >= 0).sum()) if target.dtype.kind == "i" else target.size
            counts.setdefault("labels", counted)
            counts.setdefault("values", target.size)
        forward = self.a.under(self.dtype, "forward")
        for output in forward.values():
            counts.setdefault("classes", output.shape[-1])
        return counts

    def backward(self) -> Divergence | None:
        """The last layer, and so the first on the way back, with another gradient."""
        one, other = self.with_zeros("gradients")
        training = self.a.under(self.dtype, "training")
        order = [name.removesuffix(":out") for name in training if name.endswith(":out")]
        names = sorted(
            [name for name in one if name in other],
            key=lambda name: (
                order.index(layer) if (layer := name.rpartition(".")[0]) in order else -1
            ),
            reverse=True,
        )
        for rung in ("gradients", "input gradients", "dropout gradients"):
            one, other = self.with_zeros(rung)
            listed = [*one] if rung == "input gradients" else names
            allowed = self.tolerances([f"{rung}/{name}" for name in listed])
            for name in [name for name in listed if name in one and name in other]:
                size = gap(one[name], other[name])
                if size <= allowed[f"{rung}/{name}"]:
                    continue
                cause = causes.explain_gradients(*self.names, one, other)
                layer = "" if rung == "input gradients" else name.rpartition(".")[0]
                if cause is None and rung == "gradients":
                    cause = self.activation(layer, order, one, other)
                return self.divergence("training", layer, f"the gradient of {name}", size, cause)
        return None

    def activation(
        self, layer: str, order: list[str], one: Arrays, other: Arrays
    ) -> causes.Cause | None:
        """What the activation behind a dense layer makes of gradients."""
        training = self.a.under(self.dtype, "training")
        weights = self.a.under(self.dtype, "weights")
        later = order[order.index(layer) + 1 :] if layer in order else []
        behind = next((name for name in later if f"{name}.weight" in one), None)
        if behind is None:
            return None
        keys = (f"{layer}:in", f"{layer}:out", f"{behind}:in")
        if any(key not in training for key in keys) or f"{layer}.weight" not in one:
            return None
        return causes.explain_activation(
            *self.names,
            training[keys[0]],
            training[keys[1]],
            one[f"{layer}.weight"],
            other[f"{layer}.weight"],
            training[keys[2]],
            one[f"{behind}.weight"],
            weights[f"{behind}.weight"],
        )

    def with_zeros(self, rung: str) -> tuple[Arrays, Arrays]:
        """Both backends' gradients; one that a backend does not have at all is 0."""
        one, other = self.sides(rung)
        zeros = {name: np.zeros_like(array) for name, array in {**one, **other}.items()}
        return {**zeros, **one}, {**zeros, **other}

    def buffers(self) -> Divergence | None:
        """The first batch norm whose statistics are not what they should be."""
        one, other = self.sides("buffers")
        for name in [name for name in one if name in other]:
            layer = name.rpartition(".")[0]
            size = gap(one[name], other[name])
            # That PyTorch's variance is the unbiased one is as it should be.
            unlike = self.a.unbiased != self.b.unbiased and name.endswith("running_var")
            if unlike and size <= 1e-12 and self.shift(name):
                odd = self.names[0] if self.a.unbiased else self.names[1]
                biased = causes.Cause("unbiased variance", f"{odd} stores the biased variance")
                message = f"what {name} should be after a step"
                return self.divergence("training", layer, message, self.shift(name), biased)
            if size <= 1e-12:
                continue
            cause = self.statistics(layer)
            if unlike and (cause is None or "variance" in cause.kind):
                continue
            return self.divergence("training", layer, f"{name} after a step", size, cause)
        return None

    def shift(self, name: str) -> float:
        """How far one value more or less moves a variance, relative to it."""
        before, (after, _) = self.a.under(self.dtype, "weights"), self.sides("buffers")
        inputs = self.a.under(self.dtype, "training").get(f"{name.rpartition('.')[0]}:in")
        if inputs is None or name not in before or np.array_equal(before[name], after[name]):
            return 0.0
        count = inputs.size // inputs.shape[-1]
        return 1 / (count - 1) if count > 1 else 0.0

    def statistics(self, layer: str) -> causes.Cause | None:
        """Why a batch norm's statistics differ."""
        tensors = (self.a.under(self.dtype, "weights"), *self.sides("buffers"))
        names = [f"{layer}.running_mean", f"{layer}.running_var"]
        inputs = self.a.under(self.dtype, "training").get(f"{layer}:in")
        if inputs is None or not all(name in of for of in tensors for name in names):
            return None
        if len({of[name].shape for of in tensors for name in names}) > 1:
            return None
        parts = [{name.rpartition(".")[2]: of[name] for name in names} for of in tensors]
        count = inputs.size // inputs.shape[-1]
        return causes.explain_buffers(*self.names, parts[0], inputs, parts[1], parts[2], count)

    def update(self, recipe: str) -> Divergence | None:
        """The optimizer: the gradients of the first step agree, and the weights after it do not."""
        settings = recipes.RECIPES[recipe] or recipes.shipped_settings()
        rows = {row.name: row for row in self.a.tables[self.dtype]}
        start = {
            name: array.astype(self.dtype)
            for name, array in samples.starting_weights(
                rows.values(), "float32", recipes.SEED
            ).items()
        }
        gradients = self.a.under(self.dtype, "first gradients")
        one, other = self.sides(f"first/{recipe}")
        for name in [name for name in gradients if name in one and name in other]:
            size = gap(one[name], other[name])
            if size > {"float64": 1e-13}.get(self.dtype, 1e-6):
                trained = {n: start[n] for n in gradients}
                ours, theirs = ({n: side[n] for n in gradients} for side in (one, other))
                cause = self.of_step(recipe, settings, 0) or causes.explain_update(
                    *self.names,
                    settings,
                    trained,
                    gradients,
                    ours,
                    theirs,
                    rate_agrees=self.rate_agrees(settings),
                )
                layer = name.rpartition(".")[0]
                return self.divergence("training", layer, f"{name} after one step", size, cause)
        return self.later(recipe, settings)

    def rate_agrees(self, settings: Settings) -> bool:
        """Whether a recipe of the same optimizer that clips nothing makes the same first step."""
        for name, others in recipes.RECIPES.items():
            one, other = self.sides(f"first/{name}")
            if others is None or others.clip_norm or others.optimizer != settings.optimizer:
                continue
            alike = one.keys() == other.keys() and all(gap(one[n], other[n]) <= 1e-6 for n in one)
            if one and alike:
                return True
        return False

    def later(self, recipe: str, settings: Settings) -> Divergence | None:
        """The first step after which something differs, where the first one agrees."""
        one, other = self.sides(f"steps/{recipe}")
        firsts: list[tuple[int, str, float]] = []
        for name in [n for n in one if n in other and not n.endswith("running_var")]:
            try:
                steps = sketch_difference(one[name], other[name])
            except ValueError:
                continue
            above = np.flatnonzero(steps > {"float64": recipes.TRAINED}.get(self.dtype, 1e-3))
            if len(above):
                firsts.append((int(above[0]), name, float(steps[above[0]])))
        if not firsts:
            return None
        step, name, size = min(firsts)
        layer = name.partition("@")[0].rpartition(".")[0]
        cause = self.of_step(recipe, settings, step)
        return self.divergence("training", layer, f"{name} after step {step + 1}", size, cause)

    def of_step(self, recipe: str, settings: Settings, step: int) -> causes.Cause | None:
        """Why a step differs, where all before it agree and in the first the weights do."""
        one, other = self.sides(f"steps/{recipe}")
        gradients = self.a.under(self.dtype, "first gradients")
        if step == 0:
            states = ({n: s[0] for n, s in side.items() if "@" in n} for side in (one, other))
            return causes.explain_state(*self.names, settings, gradients, *states)
        cause = causes.explain_steps(*self.names, settings, step, one, other)
        ours, theirs = self.sides(f"second/{recipe}")
        if cause or step > 1 or not ours or not theirs:
            return cause
        first = self.a.under(self.dtype, f"first/{recipe}")
        moments = {n.partition("@")[0]: m for n, m in ours.items() if n.endswith("@exp_avg")}
        return causes.explain_second(*self.names, settings, gradients, first, moments, ours, theirs)
