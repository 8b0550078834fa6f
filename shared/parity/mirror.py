"""Rung 1: the three files of an architecture are columns of one page.

Read from the sources, so no framework is needed: the same classes in the same order, the same
constructor arguments and defaults, the same attributes, the same methods and their arguments.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from shared.panels import FORWARD, PANELS, source

# Methods that a framework asks for, or calls, and the others do not know.
HOOKS = {
    "torch": {"train", "frozen"},
    "flax": {"__post_init__"},
    "keras": {"build", "compute_loss", "from_config", "get_initial_state"},
}

Outline = list[tuple[str, list[str]]]


def compare(file: str) -> list[str]:
    """How the panels' files differ, a sentence each; none when they mirror each other."""
    return differences(
        {backend: outline(source(backend, file).read_text("utf-8"), backend) for backend in PANELS}
    )


def differences(outlines: Mapping[str, Outline]) -> list[str]:
    """Hold every panel's outline against the first one's."""
    (first, expected), *others = outlines.items()
    problems = []
    for backend, actual in others:
        names, expected_names = [name for name, _ in actual], [name for name, _ in expected]
        if names != expected_names:
            problems.append(
                f"{first} has {', '.join(expected_names)}; {backend} has {', '.join(names)}"
            )
            continue
        for (name, a), (_, b) in zip(expected, actual, strict=True):
            if a != b:
                problems.append(f"{name}: {first} has {'; '.join(a)}, {backend} has {'; '.join(b)}")
    if not expected:
        problems.append(f"{first} has no classes to compare")
    return problems


def outline(text: str, backend: str) -> Outline:
    """What of a file is held against its twins: names with what belongs to them, in order."""
    parts: Outline = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            parts.append((node.name, [f"arguments {_arguments(node)}"]))
        elif isinstance(node, ast.ClassDef):
            parts += _class_parts(node, backend)
    return parts


def _class_parts(node: ast.ClassDef, backend: str) -> Iterator[tuple[str, list[str]]]:
    methods = {m.name: m for m in node.body if isinstance(m, ast.FunctionDef)}
    fields = [
        f for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)
    ]
    if backend == "flax":
        arguments = ", ".join(_field(field) for field in fields if not _is_log(field))
        assigned = _assigned(methods["setup"]) if "setup" in methods else []
        attributes = assigned + [ast.unparse(field.target) for field in fields if _is_log(field)]
        taken = {ast.unparse(field.target) for field in fields if not _is_log(field)}
    else:
        arguments = _arguments(methods["__init__"])
        attributes = _assigned(methods["__init__"])
        taken = {argument.arg for argument in methods["__init__"].args.args}
    # A constructor's argument is an attribute too; a Flax field that holds a module is one already.
    layers = [name for name in attributes if name not in taken]
    yield node.name, [f"arguments {arguments or 'none'}", f"attributes {', '.join(layers)}"]
    for name, method in methods.items():
        if name in ("__init__", "setup", *HOOKS[backend]) or _is_property(method):
            continue
        if name == FORWARD[backend]:  # how inputs and the mode come in is each framework's own
            yield f"{node.name}.forward", []
        else:
            yield f"{node.name}.{name}", [f"arguments {_arguments(method)}"]


def _arguments(function: ast.FunctionDef) -> str:
    """Names and defaults without `self` and without `**kwargs`, which Keras's constructors need."""
    names = [argument.arg for argument in function.args.args]
    defaults = [ast.unparse(default) for default in function.args.defaults]
    values = [""] * (len(names) - len(defaults)) + [f"={default}" for default in defaults]
    pairs = zip(names, values, strict=True)
    return ", ".join(name + value for name, value in pairs if name not in ("self", "cls"))


def _field(field: ast.AnnAssign) -> str:
    return ast.unparse(field.target) + (f"={ast.unparse(field.value)}" if field.value else "")


def _is_log(field: ast.AnnAssign) -> bool:
    """Whether a Flax field is no constructor argument: `field(..., init=False)`."""
    return isinstance(field.value, ast.Call) and any(
        keyword.arg == "init" and ast.unparse(keyword.value) == "False"
        for keyword in field.value.keywords
    )


def _assigned(function: ast.FunctionDef) -> list[str]:
    """The attributes of `self` that a function assigns, each once, in order."""
    names: dict[str, None] = {}
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                names[target.attr] = None
    return list(names)


def _is_property(method: ast.FunctionDef) -> bool:
    """Whether a method is a property, or sets one."""
    texts = [ast.unparse(decorator) for decorator in method.decorator_list]
    return any(text == "property" or text.endswith(".setter") for text in texts)
