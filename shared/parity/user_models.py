"""Parity of two models of your own, which need be in no catalogue.

    report = compare_models(torch_model, (flax_module, variables), images, mapping={...})
    assert_same_model(torch_model, (flax_module, variables), images, mapping={...})

Both are copied, given the same weights, run on the same inputs, and watched layer by layer; the
rungs are those of the catalogue's networks, without trainings. The loss is the mean squared
distance of every output from random targets.

Inputs and outputs have canonical layouts: four axes of floats are an image with its channels last,
(B, H, W, C), which a PyTorch model is given with its channels first. Everything else is passed as
it is.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from shared import registry, reprs
from shared.boundary import axes_of
from shared.differences import TOLERANCES
from shared.errors import ConfigurationError, InputError, TriptychError
from shared.interface import PROVED, Arrays, Derivatives, Model, Probe
from shared.parity import collect, judge, recipes, samples
from shared.parity.evidence import Asked, CaseEvidence
from shared.parity.judge import Status
from shared.parity.locate import Divergence
from shared.parity.names import Named, pair
from shared.specs import Network, Task, Tensor

__all__ = ["Report", "Row", "assert_same_model", "compare_models"]

_WIDE = 100
_INTEGERS = np.iinfo(np.int32)
_COLLECTIONS = {"params", "batch_stats"}
"""What the variables of a Flax module are in; one has no parameters where nothing is trained."""
_NOISE = {"float64": 1e-12, "float32": 1e-6}
"""What of the largest gradient is rounding."""


@dataclass(frozen=True)
class Row:
    """One rung of a comparison.

    `difference` is relative, and `tolerance` what it may be. `part` says what of the rung.
    """

    rung: str
    part: str
    status: Status
    difference: float | None
    tolerance: float | None
    detail: str
    first: Divergence | None


@dataclass(frozen=True)
class Report:
    """What came of a comparison.

    Attributes:
        models: What the two are called.
        dtype: What was computed in.
        batch: How many examples there were.
        copied: Whether the second was given the first one's weights.
        checks: Every rung.
        first: Where the two first part, with the likely cause; layers have the first model's names.
        twin: What the second model calls that layer.
        notes: What limits the proof.
    """

    models: tuple[str, str]
    dtype: str
    batch: int
    copied: bool
    checks: list[Row]
    first: Divergence | None = None
    twin: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def proved(self) -> bool:
        """Whether every rung passed, or is bounded by a stated cause."""
        return all(check.status in ("passed", "bounded") for check in self.checks)

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        texts = list(self._first(self.first)) if self.first else []
        texts += [f"note: {note}" for note in self.notes]
        columns = ("rung", "status", "difference", "detail")
        table = reprs.table(
            " ".join(self._verdict), columns, map(_cells, self.checks), numbers=("difference",)
        )
        return table + "".join(map(reprs.paragraph, texts))

    @property
    def _verdict(self) -> tuple[str, str]:
        """Whether they are the same model, and by what comparison."""
        verdict = "are the same model" if self.proved else "are NOT the same model"
        weights = "the first one's weights in both" if self.copied else "each with its own weights"
        return (
            f"{self.models[0]} and {self.models[1]} {verdict}",
            f"({self.dtype}, a batch of {self.batch}, {weights})",
        )

    @property
    def text(self) -> str:
        """Everything for people, in one screen."""
        lines = [*self._verdict, *(_line(check) for check in self.checks)]
        if self.first is not None:
            lines += ["", *self._first(self.first)]
        for note in self.notes:
            lines += textwrap.wrap(f"note: {note}", _WIDE, subsequent_indent="  ")
        return "\n".join(lines)

    def _first(self, first: Divergence) -> Iterator[str]:
        twin = f" ({self.models[1]}: {self.twin})" if self.twin not in ("", first.layer) else ""
        size = f"by {first.difference:.1e}" if np.isfinite(first.difference) else "beyond measure"
        mode = f", in {first.mode} mode" if first.mode else ""
        yield f"first difference: {first.point}{twin} differs {size}{mode}"
        cause = f"{first.cause} [{first.kind}]" if first.kind else first.cause
        yield f"likely cause: {cause or 'no known convention explains it'}"

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        return {**asdict(self), "proved": self.proved}


def _cells(check: Row) -> tuple[str, str, str, str]:
    """A rung as people read it: its name, its status, the difference, and the rest."""
    size = "" if check.difference is None else f"{check.difference:.1e}"
    name = f"{check.rung}, {check.part}" if check.part else check.rung
    detail = check.detail.removeprefix("most: ")
    if " differs by " in detail and check.tolerance is not None:
        detail = f"{detail.partition(' differs by ')[0]}; {check.tolerance:.1e} is allowed"
    return name, check.status, size, detail


def _line(check: Row) -> str:
    name, status, size, detail = _cells(check)
    line = f"  {name:<24} {status:<8} {size:>8}  {detail}".rstrip()
    return line if len(line) <= _WIDE else f"{line[: _WIDE - 3]}..."


@dataclass
class _Side:
    """One of the two models: what the user gave, and copies of it by dtype."""

    place: str
    backend: str
    native: Any
    title: str
    label: str
    models: dict[str, Model] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """How sentences call it."""
        return f"{self.place} ({self.title})"

    def wrap(self, inputs: Arrays, dtype: str) -> None:
        """Make a copy in a dtype."""
        backend = registry.load(self.backend)
        network = _network(self.native, inputs)
        with self.running(inputs, dtype):
            model = backend.wrap(network, self.native, collect.cast(inputs, dtype), dtype=dtype)
        self.models[dtype], self.probes[dtype] = model, backend.probe(model)

    @contextmanager
    def running(self, inputs: Arrays, dtype: str) -> Iterator[None]:
        """Turn what a framework says of inputs that do not fit into a sentence.

        Raises:
            InputError: the model fails on them.
        """
        try:
            yield
        except TriptychError as error:
            raise type(error)(f"model {self.who}: {error}") from error
        except Exception as error:
            shapes = ", ".join(f"{n} {a.shape} {a.dtype}" for n, a in inputs.items())
            hint = "; if it needs float32, say dtype='float32'" if dtype == "float64" else ""
            raise InputError(
                f"model {self.who} cannot be run in {dtype} on the inputs {shapes}: "
                f"{type(error).__name__}: {_reason(error)}{hint}"
            ) from error


def _reason(error: Exception) -> str:
    """The first line of what a framework says that gives a reason.

    Keras says in a line before it what it called, and writes the reason in bold letters.
    """
    lines = [re.sub(r"\x1b\[\d*m", "", line).strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line]
    reasons = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return next(iter(reasons or lines), "")


def compare_models(
    a: Any,
    b: Any,
    inputs: Any,
    *,
    mapping: Mapping[str, str] | None = None,
    dtype: str = "float64",
    copy_weights: bool = True,
    train: bool = True,
) -> Report:
    """Hold two models against each other: tensors, outputs, layers, loss, gradients, buffers.

    Each is a `torch.nn.Module`, a Flax linen module with its variables `(module, variables)`, or a
    built `keras.Model`. Both stay as they are.

    Args:
        a: The first, which names layers and gives the weights.
        b: The second, for instance a port of the first.
        inputs: Sample inputs: an array, a tuple of arrays, or arrays by name, in the order in which
            the models take them.
        mapping: What layers or tensors of b are called in a, `{"Conv_0": "conv1"}`; the names are
            canonical, as PyTorch's. What it does not have must have one name in both.
        dtype: "float64" tells what is meant from rounding; "float32" holds what users run against
            the rounding that float64 shows.
        copy_weights: Give a's weights to b; otherwise the values must agree already.
        train: Compare training mode too: loss, gradients, batch norm's statistics and dropout.

    Raises:
        ConfigurationError: an argument is of no such kind, or tensors do not pair off.
        InputError: a model cannot be run on the inputs.
        WeightsError: a model has a layer that is not known here.
        BackendMissingError: what the framework's panel needs is not installed.
    """
    if dtype not in PROVED:
        raise ConfigurationError(f"dtype must be float64 or float32, not {dtype!r}")
    sides = (_side(a, "a"), _side(b, "b"))
    if sides[0].backend == sides[1].backend:
        sides = (
            replace(sides[0], title=f"{sides[0].title} (a)", label="a"),
            replace(sides[1], title=f"{sides[1].title} (b)", label="b"),
        )
    arrays = _named_inputs(inputs)
    return _Comparison(sides, arrays, dtype, copy_weights, train).report(mapping)


def assert_same_model(a: Any, b: Any, inputs: Any, **options: Any) -> Report:
    """Fail unless two models are the same network; the arguments are those of `compare_models`.

    Raises:
        AssertionError: they are not; it says which layer is the first that differs, and why.
        TriptychError: as `compare_models` raises them.
    """
    __tracebackhide__ = True  # pytest shows the test's own line
    report = compare_models(a, b, inputs, **options)
    if not report.proved:
        raise AssertionError(report.text)
    return report


def _side(model: Any, place: str) -> _Side:
    """Whose model it is, told by the frameworks that somebody has imported.

    Raises:
        ConfigurationError: nobody's.
    """

    def is_a(module: str, kind: str, value: Any) -> bool:
        cls = getattr(sys.modules.get(module), kind, None)
        return isinstance(cls, type) and isinstance(value, cls)

    if is_a("keras", "Model", model):  # before PyTorch: on it a Keras model is a module too
        return _Side(place, "keras", model, f"keras {type(model).__name__}", "keras")
    if is_a("torch.nn", "Module", model):
        return _Side(place, "torch", model, f"torch {type(model).__name__}", "torch")
    if is_a("flax.linen", "Module", model):
        raise ConfigurationError(
            f"model {place} is a Flax module without its variables: give (module, variables)"
        )
    if isinstance(model, tuple) and len(model) == 2 and is_a("flax.linen", "Module", model[0]):
        variables = model[1]
        if not isinstance(variables, Mapping) or (variables and not _COLLECTIONS & {*variables}):
            raise ConfigurationError(
                f"the variables of model {place} must be a dictionary that has 'params', as "
                "module.init gives it"
            )
        return _Side(place, "flax", model, f"flax {type(model[0]).__name__}", "flax")
    raise ConfigurationError(
        f"model {place} must be a torch.nn.Module, a pair (flax.linen.Module, variables) or a "
        f"keras.Model, not {type(model).__name__}"
    )


def _named_inputs(inputs: Any) -> dict[str, np.ndarray]:
    """Arrays by name; floats are rounded to float32, which every dtype has.

    Raises:
        InputError: there are none, they have no batch axis or several sizes of it, or hold
            something else than finite numbers and truths.
    """
    if not isinstance(inputs, Mapping):
        several = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
        inputs = {f"input{index or ''}": array for index, array in enumerate(several)}
    arrays: dict[str, np.ndarray] = {}
    for name, value in inputs.items():
        detach = getattr(value, "detach", None)  # a tensor of PyTorch that may want its gradient
        array = np.asarray(detach().cpu() if detach else value)
        if array.dtype.kind not in "fiub" or not array.ndim:
            raise InputError(
                f"{name} must be an array of numbers or truths with a batch axis, "
                f"not {type(value).__name__} of dtype {array.dtype} and shape {array.shape}"
            )
        if not np.isfinite(array).all():
            raise InputError(f"{name} has values that are not finite")
        kind = {"f": "float32", "b": "bool"}.get(array.dtype.kind, "int32")
        with np.errstate(over="ignore"):
            arrays[str(name)] = array.astype(kind)
        if not np.isfinite(arrays[str(name)]).all():
            raise InputError(f"{name} has values that float32 does not reach")
        if kind == "int32" and not np.array_equal(array, arrays[str(name)]):
            raise InputError(f"{name} has integers that are not in int32")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise InputError(f"sample inputs must be batches of one length above 0, not {lengths}")
    return arrays


def _network(native: Any, inputs: Arrays) -> Network:
    """What takes such inputs; the outputs are not known yet."""

    def tensor(array: np.ndarray) -> Tensor:
        axes, shape = axes_of(array, image=True), array.shape[1:]
        if array.dtype.kind == "f":
            return Tensor(axes, shape)
        if array.dtype.kind == "b":
            return Tensor(axes, shape, "bool")
        return Tensor(axes, shape, "int32", low=_INTEGERS.min, high=_INTEGERS.max)

    tensors = {name: tensor(array) for name, array in inputs.items()}
    return Network("", type(native).__name__, {}, tensors, {})


def _small(gradients: Arrays, share: float) -> list[str]:
    """The tensors whose gradients are no more than a share of the largest one."""
    sizes = {name: float(np.abs(array).max(initial=0)) for name, array in gradients.items()}
    limit = share * max(sizes.values(), default=0.0)
    return [name for name, size in sizes.items() if size <= limit]


def silence(evidence: list[CaseEvidence]) -> list[str]:
    """Make gradients that are rounding of 0 exactly that, where they are so in both models.

    Of a bias before batch norm nothing is left, and no digit of it is alike.

    Returns:
        The tensors whose gradients these are.
    """
    exact = max(evidence[0].dtypes)
    silent: dict[str, None] = {}
    for rung in ("gradients", "dropout gradients"):
        small = [_small(one.under(exact, rung), _NOISE[exact]) for one in evidence]
        for name in [name for name in small[0] if name in small[1]]:
            silent[name] = None
            for one in evidence:
                for each in one.arrays.values():
                    each[f"{rung}/{name}"] = np.zeros_like(each[f"{rung}/{name}"])
    return [*silent]


class _Comparison:
    """Two models, wrapped, on their way to a report."""

    def __init__(
        self,
        sides: tuple[_Side, _Side],
        inputs: dict[str, np.ndarray],
        dtype: str,
        copied: bool,
        train: bool,
    ) -> None:
        self.sides, self.inputs, self.dtype = sides, inputs, dtype
        self.copied, self.train = copied, train
        self.notes: list[str] = []

    def report(self, mapping: Mapping[str, str] | None) -> Report:
        """Wrap, pair, compute and compare."""
        self._wrap()
        a, b = self.sides
        names = pair(self._named(a), self._named(b), mapping)
        self._hand_over(names)
        self._look_at_weights()
        watched = [_Watched(side, self.inputs, names if side is b else {}) for side in self.sides]
        checks = [*self._dropouts(watched)]
        task = self._task()
        evidence = [one.evidence(task, self.dtype) for one in watched]
        silent = silence(evidence)
        if silent:
            self.notes.append(f"the gradient of {', '.join(silent)} is 0 but for rounding, in both")
        rows: list[Row] = []
        both = judge.Pair(evidence[0], evidence[1], self.dtype)
        for rung, part, result in judge.rungs(both, Asked(), trained=both.has("loss")):
            if rung == "dropout":
                rows += checks
            rows.append(Row(rung, part, **vars(result)))
        if task is not None:
            for one in evidence:
                for part, result in judge.dropout(one, self.dtype):
                    rows.append(Row("dropout", f"{part} of {one.backend}", **vars(result)))
        first = next((row.first for row in rows if row.first), None)
        back = {other: name for name, other in names.items()}
        return Report(
            (a.title, b.title),
            self.dtype,
            len(next(iter(self.inputs.values()))),
            self.copied,
            rows,
            first,
            back.get(first.layer, first.layer) if first else "",
            self.notes,
        )

    def _wrap(self) -> None:
        """Both in the dtype asked for; float32 in float64 too, which tells how much is rounding."""
        for side in self.sides:
            side.wrap(self.inputs, self.dtype)
        if self.dtype != "float32":
            return
        try:
            for side in self.sides:
                side.wrap(self.inputs, "float64")
        except (ConfigurationError, InputError) as error:
            for side in self.sides:
                side.models.pop("float64", None)
            allowed = TOLERANCES["float32"]
            self.notes.append(f"{error}; so rounding is not measured, and {allowed:g} is allowed")

    def _named(self, side: _Side) -> Named:
        """A model's names; the layers as they are seen at work."""
        model = side.models[self.dtype]
        with side.running(self.inputs, self.dtype):
            seen = side.probes[self.dtype].watch(collect.cast(self.inputs, self.dtype), train=False)
        for name, array in seen.items():
            if array.dtype.kind == "f" and array.dtype != self.dtype:
                raise ConfigurationError(
                    f"model {side.who}: {name.partition(':')[0]} computes in {array.dtype}, "
                    f"whatever it is given; leave its dtype open, or say dtype='{array.dtype}'"
                )
            if not array.size:
                layer, _, which = name.rpartition(":")
                does = "takes" if which == "in" else "gives"
                raise ConfigurationError(
                    f"model {side.who}: {layer} {does} no values, an array of shape {array.shape}: "
                    "what goes in is too small, for a kernel perhaps"
                )
        shapes = {row.name: row.shape for row in model.table()}
        if not shapes:
            raise ConfigurationError(
                f"model {side.who} has no parameters and no buffers, so there is nothing to prove"
            )
        bare = [name for name in shapes if "." not in name]
        if bare:
            raise ConfigurationError(
                f"model {side.who} has tensors of its own, outside of any layer: "
                f"{', '.join(bare)}; put them into layers, or the layer into a model"
            )
        layers = dict.fromkeys(name.rpartition(":")[0] for name in seen)
        return Named(side.who, shapes, tuple(layers))

    def _hand_over(self, names: Mapping[str, str]) -> None:
        """Weights that all copies have in common: of one side, or each side's own."""
        a, b = self.sides
        own = [side.models[self.dtype].weights() for side in self.sides]
        theirs = {name: own[0][other] for name, other in names.items() if other in own[0]}
        loaded = [own[0], {n: theirs[n] for n in own[1]} if self.copied else own[1]]
        for side, weights in zip((a, b), loaded, strict=True):
            for model in side.models.values():
                model.load_weights(weights)

    def _look_at_weights(self) -> None:
        """Tell what the weights cannot show."""
        weights = self.sides[0].models[self.dtype].weights()
        plain = [n for n, array in weights.items() if array.size > 1 and np.ptp(array) == 0]
        if plain:
            more = f" and {len(plain) - 3} more" if len(plain) > 3 else ""
            self.notes.append(
                f"{', '.join(plain[:3])}{more} hold one value throughout, which may hide a "
                "difference; trained weights show more"
            )

    def _task(self) -> Task | None:
        """The loss; none where there is no training, or the outputs are not alike."""
        networks = [side.models[self.dtype].network for side in self.sides]
        outputs = [{n: (t.shape, t.dtype) for n, t in net.outputs.items()} for net in networks]
        if not self.train or outputs[0] != outputs[1]:
            return None
        floats = {n: t for n, t in networks[0].outputs.items() if t.dtype == "float"}
        return recipes.distance(replace(networks[0], outputs=floats)) if floats else None

    def _dropouts(self, watched: list[_Watched]) -> Iterator[Row]:
        """Dropout layers by one name in both, and whether they drop alike."""
        one, other = watched
        left = [[*one.rates], [n for n in other.rates if n not in one.rates]]
        left[0] = [name for name in one.rates if name not in other.rates]
        if left[0] and len(left[0]) == len(left[1]):
            pairs = dict(zip(left[1], left[0], strict=True))
            other.rename(pairs)
            message = ", ".join(f"{theirs} with {ours}" for theirs, ours in pairs.items())
            self.notes.append(f"dropout layers are paired in their order: {message}")
        names = [side.label for side in self.sides]
        for layer in {**one.rates, **other.rates}:
            rates = [each.rates.get(layer, 0.0) for each in watched]
            if rates[0] != rates[1]:
                message = f"{names[0]} drops {rates[0]:g} of the values, {names[1]} {rates[1]:g}"
                first = Divergence(
                    "dropout",
                    "training",
                    layer,
                    f"the rate of {layer}",
                    abs(rates[0] - rates[1]),
                    "dropout rate",
                    message,
                )
                yield Row("dropout", "rates", "failed", first.difference, 0.0, message, first)


class _Watched:
    """A model's evidence under the first model's names."""

    def __init__(self, side: _Side, inputs: Arrays, names: Mapping[str, str]) -> None:
        self.side, self.inputs, self.names = side, inputs, dict(names)
        probe = next(iter(side.probes.values()))
        rates = {self.names.get(n, n): rate for n, rate in probe.dropouts().items()}
        self.rates = {name: rate for name, rate in rates.items() if rate > 0}

    def rename(self, names: Mapping[str, str]) -> None:
        """Call layers otherwise."""
        self.names = {n: names.get(o, o) for n, o in self.names.items()} | {
            n: o for n, o in names.items() if n not in self.names.values()
        }
        self.rates = {names.get(name, name): rate for name, rate in self.rates.items()}

    def evidence(self, task: Task | None, dtype: str) -> CaseEvidence:
        """Everything that is compared."""
        side = self.side
        tables, by_dtype = {}, {}
        for each, model in side.models.items():
            with side.running(self.inputs, each):
                tables[each] = [
                    replace(row, name=self.names.get(row.name, row.name)) for row in model.table()
                ]
                by_dtype[each] = self._in(model, side.probes[each], task)
        backend = registry.load(side.backend)
        assert dtype in by_dtype
        return CaseEvidence(
            side.label,
            "yours",
            tables,
            by_dtype,
            dropouts=self.rates,
            unbiased=backend.unbiased_variance,
        )

    def _in(self, model: Model, probe: Probe, task: Task | None) -> dict[str, np.ndarray]:
        inputs = collect.cast(self.inputs, model.dtype)
        batch = len(next(iter(inputs.values())))
        arrays = self._under("weights", model.weights())
        arrays |= {f"inputs/{name}": array for name, array in inputs.items()}
        arrays |= {f"forward/{batch}/{name}": array for name, array in model(inputs).items()}
        arrays |= self._layers("evaluation", probe.watch(inputs, train=False))
        if task is None:
            return arrays
        targets = collect.cast(recipes.sample_targets(model.network, task, batch), model.dtype)
        example_batch = {**inputs, **targets}
        arrays |= {f"targets/{name}": array for name, array in targets.items()}
        derived = probe.differentiate(example_batch, task)
        self._check_steady(derived, probe.differentiate(example_batch, task))
        arrays |= self._layers("training", derived.activations)
        arrays["loss/value"] = derived.loss
        arrays |= self._under("gradients", derived.gradients)
        arrays |= {f"input gradients/{name}": a for name, a in derived.input_gradients.items()}
        arrays |= self._under("buffers", derived.buffers)
        if self.rates:
            masked = probe.differentiate(example_batch, task, dropout=self._mask)
            arrays["dropout loss/value"] = masked.loss
            arrays |= self._under("dropout gradients", masked.gradients)
            arrays |= self._own_dropout(probe, inputs)
        return arrays

    def _check_steady(self, one: Derivatives, other: Derivatives) -> None:
        """Raise ConfigurationError if the same pass gives another loss."""
        losses = one.loss.astype(float), other.loss.astype(float)
        if abs(losses[0] - losses[1]) > 1e-4 * abs(losses[0]):
            raise ConfigurationError(
                "it gives another loss each time in training mode: something in it is random that "
                "is no Dropout layer; make it one, or compare with train=False"
            )

    def _layers(self, rung: str, seen: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What layers take and give; one that has another layer's name by chance is left out."""
        taken = set(self.names.values())
        arrays = {}
        for key, array in seen.items():
            layer, _, which = key.rpartition(":")
            if layer in self.names or layer not in taken:
                arrays[f"{rung}/{self.names.get(layer, layer)}:{which}"] = array
        return arrays

    def _under(self, rung: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A rung's arrays of tensors or layers, by the first model's names."""
        return {f"{rung}/{self.names.get(n, n)}": np.asarray(a) for n, a in tensors.items()}

    def _mask(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Which values a dropout layer keeps: the same in both models."""
        name = self.names.get(name, name)
        return samples.dropout_mask(self.rates.get(name, 0.0), name, shape)

    def _own_dropout(self, probe: Probe, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the framework's own dropout does; masks that are shared may be meant."""
        rates = {n: rate for n, rate in probe.dropouts().items() if rate > 0}
        shares = collect.own_dropout(probe, inputs, rates)
        for figures in shares.values():
            figures[4:] = 0
        return self._under("own dropout", shares)
