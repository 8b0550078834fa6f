"""Who may import whom: read from the sources, and seen in processes of their own."""

import ast
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from shared.panels import PANELS, source
from shared.specs import SPECS
from tests.sources import ARCHITECTURES, FRAMEWORKS, OWN, ROOT, fresh

# The rooms of `shared`, from the bottom up: each may import what stands in a line below its own.
ORDER = (
    ("errors", "asking"),
    ("choosing", "formats", "panels", "writing"),
    ("forking", "strict"),
    ("specs",),
    ("interface", "weights"),
    ("boundary", "reprs"),
    ("registry", "differences"),
    ("figures", "machine", "workers", "terminal"),
    ("caches", "together"),
    ("data",),
    ("train",),
    ("compare", "predict", "show", "conventions", "parity", "benchmark"),
    ("report",),
    ("cli",),
)
RANKS = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
# What an architecture file of each panel may import beside Python's own library.
ALLOWED = {
    "torch": {"torch", "numpy"},
    "flax": {"flax", "jax", "optax", "numpy"},
    "keras": {"keras", "numpy"},
}


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever it stands in the file."""
    package = path.relative_to(ROOT).parent.parts
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            # `from shared import weights` names a module, `from torch import nn` may.
            modules |= {f"{module}.{alias.name}" for alias in node.names}
    return modules


def room(module: str) -> str:
    """The room of a module of `shared`: a package, or a file at its top."""
    return module.split(".")[1]


def roots(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def files(package: str) -> list[Path]:
    """Every file of a package, those in packages below it too."""
    return sorted((ROOT / package).rglob("*.py"))


SHARED = files("shared")


def dotted(path: Path) -> str:
    """A file as a module's name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def graph(package: str) -> dict[str, set[str]]:
    """Which modules of a package each of them imports: within functions and for types too."""
    modules = {dotted(path): path for path in files(package)}
    edges: dict[str, set[str]] = {name: set() for name in modules}
    for name, path in modules.items():
        for module in imports(path):
            # `from torch_impl import training` names a module, `from torch_impl.mlp import MLP`
            # something in one.
            known = [m for m in (module, module.rpartition(".")[0]) if m in modules]
            edges[name] |= {*known[:1]} - {name}
    return edges


def test_there_are_files_to_read() -> None:
    assert {"mlp", "mimo", "residual", "mnist_cnn", "branching", "inference"} <= set(ARCHITECTURES)
    assert {path.stem for path in SHARED} >= {"errors", "workers", "weights", "ladder"}
    assert roots(imports(source("keras", "mlp"))) == {"keras", "math", "typing"}


def test_every_room_has_its_place() -> None:
    rooms = {path.relative_to(ROOT / "shared").parts[0].removesuffix(".py") for path in SHARED}
    assert rooms - {"__init__"} == set(RANKS)


@pytest.mark.parametrize("name", RANKS)
def test_imports_in_shared_run_in_one_direction(name: str) -> None:
    """Types too: nothing that is imported for them alone is left out."""
    own = [path for path in SHARED if "." in dotted(path) and room(dotted(path)) == name]
    assert own
    for path in own:
        others = {room(m) for m in imports(path) if m.startswith("shared.")} - {name}
        wrong = {other for other in others if RANKS[other] >= RANKS[name]}
        assert not wrong, f"{dotted(path)} imports {wrong}"


@pytest.mark.parametrize("package", ["shared", "triptych", *PANELS.values()])
def test_modules_within_a_package_import_each_other_in_no_circle(package: str) -> None:
    edges = graph(package)
    assert any(edges.values())
    TopologicalSorter(edges).prepare()  # raises CycleError, which names the circle


def test_causes_are_told_from_numbers_alone() -> None:
    causes = [path for path in SHARED if "causes" in path.parts]
    assert len(causes) > 5
    for path in causes:
        outside = roots(imports(path)) - set(sys.stdlib_module_names)
        assert outside <= {"numpy", "scipy", "shared"}, path.name
        own = {m for m in imports(path) if m.partition(".")[0] == "shared"}
        assert all(m.startswith(("shared.parity.causes", "shared.differences")) for m in own)
    measured = roots(imports(ROOT / "shared" / "differences.py"))
    assert measured - set(sys.stdlib_module_names) == {"numpy"}


def test_what_shared_imports_is_declared() -> None:
    """What comes only because another package needs it may be gone with that one's next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {Requirement(text).name for text in project["dependencies"]}
    names = {"PIL": "pillow", "markdown_it": "markdown-it-py"}  # that the packages are imported by
    modules = set().union(*(roots(imports(path)) for path in SHARED))
    outside = modules - set(sys.stdlib_module_names) - {"shared"}
    assert {names.get(module, module) for module in outside} <= declared


def test_shared_imports_neither_framework_nor_panel() -> None:
    for path in SHARED:
        wrong = roots(imports(path)) & (FRAMEWORKS | {*PANELS.values(), "tests", "triptych"})
        assert not wrong, f"{path.name} imports {wrong}"


@pytest.mark.parametrize("backend", PANELS)
def test_panels_import_neither_each_other_nor_verbs(backend: str) -> None:
    own = files(PANELS[backend])
    assert {"engine", "conventions"} <= {path.parent.name for path in own}
    others = {*PANELS.values(), "tests", "triptych"} - {PANELS[backend]}
    for path in own:
        modules = imports(path)
        assert not roots(modules) & others, dotted(path)
        rooms = {room(m) for m in modules if m.partition(".")[0] == "shared"}
        below = {
            "errors",
            "asking",
            "forking",
            "specs",
            "interface",
            "weights",
            "boundary",
            "reprs",
        }
        assert rooms <= below, dotted(path)


@pytest.mark.parametrize("backend", PANELS)
@pytest.mark.parametrize("file", ARCHITECTURES)
def test_architecture_files_import_their_framework_alone(backend: str, file: str) -> None:
    modules = imports(source(backend, file))
    outside = roots(modules) - set(sys.stdlib_module_names)
    assert outside & ALLOWED[backend]
    assert outside <= ALLOWED[backend] | {"shared", PANELS[backend]}
    own = {module.rpartition(".")[0] for module in modules if module.partition(".")[0] in OWN}
    # A network may be made of another file's layers, within its panel.
    siblings = {f"{PANELS[backend]}.{other}" for other in ARCHITECTURES if other != file}
    assert own <= {"shared.specs", *siblings}
    assert bool(own & siblings) is (file == "seq2seq")


@pytest.mark.parametrize("file", [*ARCHITECTURES, "engine/weights"])
def test_keras_files_run_on_any_framework(file: str) -> None:
    assert not roots(imports(source("keras", file))) & (FRAMEWORKS - {"keras"})


def test_panels_themselves_import_nothing() -> None:
    below = ("", ".engine", ".conventions")
    names = ", ".join(f"{panel}{part}" for panel in PANELS.values() for part in below)
    code = f"import sys, {names}\nprint(*sorted(set(sys.modules) & {FRAMEWORKS!r}), 'seen')"
    assert fresh(code) == "seen"


def loaded_after(code: str) -> set[str]:
    lines = [code, "import sys", "print(*sorted(sys.modules))"]
    return set(fresh("\n".join(lines)).splitlines()[-1].split())


def test_no_module_of_shared_loads_a_framework() -> None:
    code = (
        "import importlib, pkgutil, shared\n"
        "for found in pkgutil.walk_packages(shared.__path__, 'shared.'):\n"
        "    importlib.import_module(found.name)"
    )
    loaded = loaded_after(code)
    assert {"shared.registry", "shared.workers", "shared.parity.ladder"} <= loaded
    assert not roots(loaded) & (FRAMEWORKS | set(PANELS.values()))


def test_listing_the_architectures_loads_no_framework() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['triptych', 'list']\n"
        "from shared.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code"
    )
    lines = [code, "print(*sorted(sys.modules))"]
    *listed, modules = fresh("\n".join(lines)).splitlines()
    assert all(name in "\n".join(listed) for name in SPECS)
    assert "shared.cli" in modules.split()
    assert not roots(set(modules.split())) & (FRAMEWORKS | set(PANELS.values()))
