"""Who may import whom: read from the sources, and seen in processes of their own."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

from shared.parity.mirror import source
from shared.specs import PANELS, SPECS
from tests.sources import ARCHITECTURES, FRAMEWORKS, OWN, ROOT, fresh

# From the bottom up; every other module of `shared` is a verb, between the registry and the cli.
ORDER = ("errors", "specs", "interface", "registry")
VERBS, CLI = len(ORDER), len(ORDER) + 1
# What an architecture file of each panel may import beside Python's own library.
ALLOWED = {
    "torch": {"torch", "numpy"},
    "flax": {"flax", "jax", "optax", "numpy"},
    "keras": {"keras", "numpy"},
}


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever it stands in the file."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            # `from shared import weights` names a module, `from torch import nn` may.
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def for_types_alone(path: Path) -> set[str]:
    """What a file imports under `if TYPE_CHECKING`, and so never when it runs."""
    blocks = [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    ]
    return {
        f"{node.module}.{alias.name}"
        for block in blocks
        for statement in block.body
        for node in ast.walk(statement)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def rank(module: str) -> int:
    """How far up a module of `shared` stands."""
    name = module.split(".")[1]
    return CLI if name == "cli" else ORDER.index(name) if name in ORDER else VERBS


def roots(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def shared_files() -> list[Path]:
    return sorted((ROOT / "shared").rglob("*.py"))


def test_there_are_files_to_read() -> None:
    assert {"mlp", "mimo", "residual", "mnist_cnn", "branching", "inference"} <= set(ARCHITECTURES)
    assert {path.stem for path in shared_files()} >= {*ORDER, "workers", "weights", "ladder"}
    assert roots(imports(source("keras", "mlp"))) == {"keras", "math", "typing"}


def test_imports_in_shared_run_one_way() -> None:
    checked = 0
    for path in shared_files():
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if name.endswith("__init__"):
            continue
        for module in imports(path) - for_types_alone(path):
            if module.partition(".")[0] == "shared":
                below = rank(module) < rank(name) or rank(module) == rank(name) == VERBS
                assert below, f"{name} imports {module}"
                checked += 1
    assert checked > 20


def test_shared_imports_neither_framework_nor_panel() -> None:
    for path in shared_files():
        wrong = roots(imports(path)) & (FRAMEWORKS | {*PANELS.values(), "tests"})
        assert not wrong, f"{path.name} imports {wrong}"


@pytest.mark.parametrize("backend", PANELS)
def test_panels_import_neither_each_other_nor_verbs(backend: str) -> None:
    files = sorted((ROOT / PANELS[backend]).glob("*.py"))
    assert len(files) > len(ARCHITECTURES)
    others = {*PANELS.values(), "tests"} - {PANELS[backend]}
    for path in files:
        found = imports(path)
        assert not roots(found) & others, path.name
        shared = {m.split(".")[1] for m in found if m.partition(".")[0] == "shared"}
        assert shared <= {"errors", "specs", "interface", "weights"}, path.name


@pytest.mark.parametrize("backend", PANELS)
@pytest.mark.parametrize("file", ARCHITECTURES)
def test_architecture_files_import_their_framework_alone(backend: str, file: str) -> None:
    found = imports(source(backend, file))
    outside = roots(found) - set(sys.stdlib_module_names)
    assert outside & ALLOWED[backend]
    assert outside <= ALLOWED[backend] | {"shared", PANELS[backend]}
    own = {module.rpartition(".")[0] for module in found if module.partition(".")[0] in OWN}
    # A network may be made of another file's layers, within its panel.
    siblings = {f"{PANELS[backend]}.{other}" for other in ARCHITECTURES if other != file}
    assert own <= {"shared.specs", *siblings}
    assert bool(own & siblings) is (file == "seq2seq")


@pytest.mark.parametrize("file", [*ARCHITECTURES, "weights"])
def test_keras_files_run_on_any_framework(file: str) -> None:
    assert not roots(imports(source("keras", file))) & (FRAMEWORKS - {"keras"})


def test_panels_themselves_import_nothing() -> None:
    names = ", ".join(PANELS.values())
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
    if importlib.util.find_spec("shared.cli") is None:
        pytest.skip("there is no command here yet")
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


def test_importing_the_package_costs_nothing() -> None:
    code = (
        "import sys, shared.parity, shared.parity.pytest_plugin\n"
        "print('numpy' in sys.modules, 'shared.parity.own' in sys.modules)\n"
        "from shared.parity import Report, assert_same_model, compare_models\n"
        "print('torch' in sys.modules, 'jax' in sys.modules, 'keras' in sys.modules)\n"
    )
    assert fresh(code).split() == ["False"] * 5
