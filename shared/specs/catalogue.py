"""The catalogue of all architectures: every module of this package with a `SPEC` is in it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

from shared.choosing import check_text, choose, folded
from shared.errors import ConfigurationError
from shared.specs.model import Network, Spec

PACKAGE = "shared.specs"


def discover() -> dict[str, Spec]:
    """The specs of all modules in this package, by name, in the order of every table.

    Raises:
        ConfigurationError: two modules have a spec of the same name.
    """
    modules: dict[str, str] = {}
    specs: list[Spec] = []
    for module in pkgutil.iter_modules(sys.modules[PACKAGE].__path__):
        spec = getattr(importlib.import_module(f"{PACKAGE}.{module.name}"), "SPEC", None)
        if spec is None:
            continue
        if spec.name in modules:
            raise ConfigurationError(
                f"{modules[spec.name]} and {module.name} both have a SPEC named {spec.name!r}"
            )
        modules[spec.name] = module.name
        specs.append(spec)
    specs.sort(key=lambda spec: (spec.position, spec.name))
    owners: dict[str, tuple[str, ...]] = {}
    for spec in specs:
        for preset in spec.presets:
            owners[preset] = (*owners.get(preset, ()), spec.name)
    return {spec.name: replace(spec, preset_owners=owners) for spec in specs}


SPECS: Mapping[str, Spec] = discover()
"""The catalogue, by name."""


def find(name: str) -> Spec:
    """The spec of that name. The name of a class or file will do, and that of a part too.

    A name need not be spelt as it is: "SIMPLE-RESNET" will do. Nor need it be whole, if it is a
    part of the names of one architecture alone: "resnet" will do too.

    Raises:
        ConfigurationError: there is none, or there are several. The sentence has the nearest name,
            or those that there are.
    """
    return _find(name)[0]


def find_file(name: str) -> str:
    """The file, without its suffix, in which that architecture, or that class, is.

    Raises:
        ConfigurationError: as `find` does.
    """
    return _find(name)[1].file


def is_name(name: str) -> bool:
    """Whether `find` would find an architecture by its whole name, a class's or a file's."""
    return any(folded(text) == folded(name) for text, _, _ in _names())


def _find(name: str) -> tuple[Spec, Network]:
    """The spec, and its network of that name or else its default one."""
    check_text("architecture", name)
    names = [*_names()]
    for text, spec, network in names:
        if text == name:
            return spec, network
    asked = folded(name)
    for text, spec, network in names:
        if folded(text) == asked:
            return spec, network
    parts: dict[str, tuple[Spec, Network]] = {}
    for text, spec, network in names:
        if asked and asked in folded(text):
            parts.setdefault(spec.name, (spec, network))
    if len(parts) == 1:
        return next(iter(parts.values()))
    if parts:
        *others, last = (each for each in SPECS if each in parts)
        raise ConfigurationError(f"{name!r} may be {', '.join(others)} or {last}: name one of them")
    spec = SPECS[choose("architecture", name, SPECS)]
    return spec, spec.network


def _names() -> Iterator[tuple[str, Spec, Network]]:
    """Every name with what it names: the architectures', then their classes' and files'."""
    for spec in SPECS.values():
        yield spec.name, spec, spec.network
    for spec in SPECS.values():
        for case in spec.cases:
            for text in (case.network.cls, case.network.file):
                yield text, spec, case.network
