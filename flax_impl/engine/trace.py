"""A pass through a module, operation by operation: what JAX records when it traces the function.

JAX runs the Python code once, on arrays without values, and keeps what was done to them (a jaxpr),
with the place in the source and the module. So of an `nn.cond` both branches are seen, and of an
`nn.scan` one turn.
"""

import ast
import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import jax
from flax import linen as nn
from jax.extend import core

from shared.boundary import by_name
from shared.interface import Step, Trace
from shared.specs import Network

_PANEL, _ENGINE = str(Path(__file__).parents[1]), str(Path(__file__).parent)
_Maker = int | str | None  # the number of a step, the name of an input, or nothing that ran
_Path = tuple[str, ...]
_STATE = -1  # made by the turn before
_SIGNS = {ast.Mult: "mul", ast.MatMult: "matmul", ast.GtE: "ge", ast.LtE: "le", ast.NotEq: "ne"}
_SAME = {"convert_element_type", "copy", "stop_gradient"}  # no step of its own


def trace(
    native: nn.Module,
    mode: Mapping[str, Any],
    network: Network,
    names: Mapping[_Path, str],
    variables: Any,
    inputs: Sequence[Any],
) -> Trace:
    """Trace a module's call on inputs, and say what was recorded.

    Args:
        native: The module.
        mode: The arguments of its call that say that this is evaluation.
        network: Its inputs and outputs.
        names: The canonical names of its parts, by path.
        variables: Its variables.
        inputs: One array an input.
    """
    seen = _Tracer(type(native).__name__, names)

    def run(inputs: Sequence[Any]) -> dict[str, Any]:
        with nn.intercept_methods(seen.look):
            return by_name(network.outputs, native.apply(variables, *inputs, **mode))

    recorded = jax.make_jaxpr(run)([*inputs]).jaxpr
    makers: dict[Any, _Maker] = dict(zip(recorded.invars, network.inputs, strict=True))
    seen.walk(recorded, makers, ())
    ends = zip(sorted(network.outputs), recorded.outvars, strict=True)  # a dictionary is sorted
    sources = {name: maker for name, var in ends if (maker := makers[var]) is not None}
    outputs = {name: sources[name] for name in network.outputs if name in sources}
    shapes = {name: tuple(x.shape) for name, x in zip(network.inputs, inputs, strict=True)}
    return Trace(tuple(seen.steps), seen.blocks, shapes, outputs)


class _Tracer:
    """Turns recorded equations into steps: a layer of Flax's own is one, and so is a function."""

    def __init__(self, root: str, names: Mapping[_Path, str]) -> None:
        self.names = names
        self.classes: dict[_Path, type[nn.Module]] = {}
        self.steps: list[Step] = []
        self.blocks: dict[str, str] = {"": root}
        self._before: Any = None  # what the last step was made by
        self._turns = 1

    def look(self, call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        """Note the class of every module that is called."""
        self.classes.setdefault(context.module.path, type(context.module))
        return call(*args, **kwargs)

    def walk(self, recorded: Any, makers: dict[Any, _Maker], above: _Path) -> None:
        """Add the steps of a recorded function; `makers` tells what made its variables."""
        for equation in recorded.eqns:
            path = self._path(equation, above)
            name = equation.primitive.name
            if name == "scan":
                self._scan(equation, makers, path)
            elif name == "cond":
                self._cond(equation, makers, path)
            elif name in _SAME:
                makers[equation.outvars[0]] = _maker(makers, equation.invars[0])
            else:
                self._add(equation, makers, path)

    def _path(self, equation: Any, above: _Path) -> _Path:
        """The module in which an equation was recorded; of a method only the module counts."""
        classes = {type_.__name__ for type_ in self.classes.values()}
        inner: _Path = ()
        for part in str(equation.source_info.name_stack).split("/"):
            name, _, method = part.partition(".")
            again = bool(method) and inner[-1:] == (name,)
            if name and name not in classes and not again:
                inner = (*inner, name)
        for whole in ((*above, *inner), inner):
            if whole in self.classes:
                return whole
        # JAX is not told of a container that its parts were named before, such as nn.Sequential.
        fitting = [path for path in self.classes if path[-1:] == inner[-1:]]
        return next((path for path in fitting if _holds(path, inner)), above)

    def _scan(self, equation: Any, makers: dict[Any, _Maker], path: _Path) -> None:
        """Add one turn of a loop."""
        body = equation.params["jaxpr"].jaxpr
        inner = {x: _maker(makers, y) for x, y in zip(body.invars, equation.invars, strict=True)}
        first = equation.params["num_consts"]
        for x in body.invars[first : first + equation.params["num_carry"]]:
            inner[x] = _STATE if inner[x] is None else inner[x]
        self._turns *= equation.params["length"]
        self.walk(body, inner, path)
        self._turns //= equation.params["length"]
        for x, y in zip(equation.outvars, body.outvars, strict=True):
            makers[x] = _maker(inner, y)

    def _cond(self, equation: Any, makers: dict[Any, _Maker], path: _Path) -> None:
        """Add every branch, and a step that takes one of them."""
        ends: list[_Maker] = []
        for branch in equation.params["branches"]:
            pairs = zip(branch.jaxpr.invars, equation.invars[1:], strict=True)
            inner = {x: _maker(makers, y) for x, y in pairs}
            self.walk(branch.jaxpr, inner, path)
            ends += [_maker(inner, y) for y in branch.jaxpr.outvars]
        self._before = None
        sources = [_maker(makers, equation.invars[0]), *ends]
        self._step(equation, makers, path, [x for x in sources if x is not None], "cond")

    def _add(self, equation: Any, makers: dict[Any, _Maker], path: _Path) -> None:
        """Add an equation: to the step before, where they are of one layer or of one function."""
        sources = [x for y in equation.invars if (x := _maker(makers, y)) is not None]
        if sources:  # else it is made of constants and parameters, such as a bias in another shape
            self._step(equation, makers, path, sources)

    def _caller(self, path: _Path) -> _Path:
        """The nearest module above that was itself called: a list's owner, for a list's parts."""
        above = (path[:end] for end in range(len(path) - 1, 0, -1))
        return next((whole for whole in above if whole in self.classes), ())

    def _is_layer(self, path: _Path) -> bool:
        """Whether a module is one of Flax's own, and holds no others."""
        own = self.classes[path].__module__.startswith("flax.")
        return own and not any(other[: len(path)] == path != other for other in self.classes)

    def _step(
        self,
        equation: Any,
        makers: dict[Any, _Maker],
        path: _Path,
        sources: Sequence[int | str],
        kind: str = "",
    ) -> None:
        place, entered = _place(equation)
        library = self._is_layer(path)
        block = self._caller(path) if library else path
        kind = kind or (self.classes[path].__name__ if library else place.operation() or entered)
        layer = self.names[path] if library else ""
        shapes = tuple(tuple(x.aval.shape) for x in equation.outvars)
        maker = (block, layer, kind, None if layer else (place, entered))
        step = Step(
            kind,
            layer,
            self.names[block],
            0,
            tuple(x for x in dict.fromkeys(sources) if x != _STATE),
            shapes,
            Path(place.file).stem,
            place.line,
            self._turns,
        )
        last = len(self.steps) - 1
        if maker == self._before:
            old = self.steps[last]
            both = dict.fromkeys([*old.inputs, *(x for x in sources if x not in (last, _STATE))])
            self.steps[last] = replace(old, inputs=tuple(both), shapes=shapes)
        else:
            self.blocks.setdefault(self.names[block], self.classes[block].__name__)
            self.steps.append(step)
            self._before = maker
        for x in equation.outvars:
            makers[x] = len(self.steps) - 1


def _holds(path: _Path, inner: _Path) -> bool:
    """Whether a path has these names, in their order, perhaps with others between."""
    rest = iter(path)
    return all(name in rest for name in inner)


def _maker(makers: Mapping[Any, _Maker], variable: Any) -> _Maker:
    """What made a variable; nothing made a constant or a parameter."""
    return None if isinstance(variable, core.Literal) else makers.get(variable)


@dataclass(frozen=True)
class _Place:
    """A part of a line of a network: its file, its first and last line and column."""

    file: str = ""
    line: int = 0
    end: tuple[int, int, int] = (0, 0, 0)

    def operation(self) -> str:
        """What is written there: the name of the function called, or of the operator."""
        last, start, stop = self.end
        if not stop:
            return ""
        text = "".join(linecache.getlines(self.file)[self.line - 1 : last])
        after = len(text.splitlines()[-1].encode()) - stop
        cut = text.removesuffix("\n").encode()[start : -after or None].decode()
        try:
            node = ast.parse(f"({cut})", mode="eval").body
        except SyntaxError:
            return ""
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) | ast.Attribute(attr=name):
                return name
            case ast.BinOp(op=sign) | ast.UnaryOp(op=sign) | ast.Compare(ops=[sign]):
                return _SIGNS.get(type(sign), type(sign).__name__.lower())
            case ast.Subscript():
                return "getitem"
        return ""


def _place(equation: Any) -> tuple[_Place, str]:
    """The innermost place in a network that an equation comes from, and the function entered."""
    traceback = equation.source_info.traceback
    entered = ""
    for code, instruction in zip(*traceback.raw_frames(), strict=True) if traceback else ():
        path = code.co_filename
        if path.startswith(_PANEL) and not path.startswith(_ENGINE):
            positions = next(islice(code.co_positions(), instruction // 2, None))
            line, last, start, stop = (part or 0 for part in positions)
            return _Place(path, line, (last, start, stop)), entered
        entered = code.co_name
        if "traceback" in entered:  # JAX's wrapper around a function that it compiles
            entered = _name(equation)
    return _Place(), entered


def _name(equation: Any) -> str:
    """What a recorded call of a function is called."""
    inner = getattr(equation.params.get("call_jaxpr"), "jaxpr", None)
    if inner is not None and len(inner.eqns) == 1:
        return _name(inner.eqns[0])
    return equation.params.get("name") or equation.primitive.name
