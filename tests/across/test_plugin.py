"""The fixture and the module in foreign projects, which may have a package named `shared`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flavours import lacking
from tests.sources import ROOT


def run(project: Path, *arguments: str, first: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Python in a project, which comes first on sys.path or not at all.

    Triptych comes last there, as if it were installed, and its plugin is loaded.
    """
    options = [] if first else ["-P"]
    return subprocess.run(
        [sys.executable, *options, *arguments],
        cwd=project,
        env={
            **{name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "triptych.pytest_plugin",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's project, with packages named `shared` and `tests`."""
    write(
        tmp_path,
        {
            "shared/__init__.py": "",
            "shared/sums.py": "def add(a, b):\n    return a + b\n",
            "tests/__init__.py": "",
            "tests/test_sums.py": (
                "import sys\n"
                "from shared.sums import add\n"
                "def test_add():\n"
                "    assert add(1, 2) == 3\n"
                "    assert 'triptych.pytest_plugin' in sys.modules\n"
                "    assert 'numpy' not in sys.modules\n"
            ),
        },
    )
    return tmp_path


def sentence(project: Path, name: str = "shared") -> str:
    place = project / name
    return (
        f"Triptych has a package named {name!r}, and {place}, which has the same name, is in its "
        "way: rename that one, or use Triptych in a process that does not have "
        f"{project} on sys.path"
    )


@pytest.mark.parametrize("first", [True, False])
def test_a_project_that_does_not_use_us_passes_untouched(project: Path, first: bool) -> None:
    done = run(project, "-m", "pytest", "-q", "-W", "error", first=first)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("first", [True, False])
def test_the_fixture_says_what_hides_ours(project: Path, first: bool) -> None:
    write(
        project,
        {"tests/test_port.py": "def test_port(assert_same_model):\n    assert_same_model()\n"},
    )
    done = run(project, "-m", "pytest", "-q", first=first)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 passed, 1 error" in done.stdout
    assert done.stdout.splitlines().count(sentence(project)) == 1
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"shared/__init__.py": ""}, "shared"),
        ({"shared.py": ""}, "shared.py"),
        ({"keras_impl/__init__.py": ""}, "keras_impl"),
    ],
)
def test_the_module_and_the_command_say_it_too(
    tmp_path: Path, files: dict[str, str], name: str
) -> None:
    write(tmp_path, files)
    text = sentence(tmp_path, name).replace(f"{name!r}", f"{name.removesuffix('.py')!r}")
    for code in (
        "import triptych; triptych.fit",
        "from triptych import compare_models",
        f"import {name.removesuffix('.py')}, triptych; triptych.find",
    ):
        done = run(tmp_path, "-c", code)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == f"triptych.lazily.ShadowedError: {text}"
    command = run(tmp_path, "-m", "triptych", "list")
    assert (command.returncode, command.stdout) == (2, "")
    assert command.stderr == f"triptych: {text}\n"
    version = run(tmp_path, "-c", "import triptych; print(triptych.__version__)")
    assert version.stdout.strip().count(".") == 2, version.stderr


def test_a_folder_without_a_package_hides_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"shared/notes.txt": ""})
    done = run(tmp_path, "-m", "triptych", "list")
    assert done.returncode == 0, done.stderr
    assert "basic_net" in done.stdout


def test_the_fixture_compares_models(tmp_path: Path) -> None:
    reason = lacking("torch")
    if reason:
        pytest.skip(reason)
    write(
        tmp_path,
        {
            "test_port.py": (
                "import numpy as np, torch\n"
                "def test_same(assert_same_model):\n"
                "    net = torch.nn.Sequential(torch.nn.Linear(3, 2))\n"
                "    assert_same_model(net, net, np.ones((2, 3)))\n"
            )
        },
    )
    done = run(tmp_path, "-m", "pytest", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_a_tree_of_symbolic_links_is_triptychs_own(tmp_path: Path) -> None:
    """As installers leave it that link each file to a cache."""
    for package in ("triptych", "shared", "torch_impl", "flax_impl", "keras_impl"):
        for source in (ROOT / package).rglob("*.py"):
            link = tmp_path / source.relative_to(ROOT)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)
    code = "import triptych; print(triptych.__file__); print(len(triptych.list_architectures()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    file, count = done.stdout.split()
    assert file == str(tmp_path / "triptych" / "__init__.py")
    assert int(count) >= 14
