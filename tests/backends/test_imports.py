"""What a process has that imports a backend: its panel alone, and no false alarm."""

import subprocess
import sys

import pytest

from shared.panels import PANELS
from tests.flavours import FLAVOURS, exhaustive, lacking
from tests.sources import ARCHITECTURES, OWN, ROOT, fresh


def errors_of(code: str) -> str:
    """What a program of its own prints to stderr; it may start workers."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("backend", PANELS)
def test_architecture_files_work_alone(backend: str) -> None:
    reason = lacking(backend)
    if reason:
        pytest.skip(reason)
    panel = PANELS[backend]
    lines = [f"from {panel} import {file}" for file in ARCHITECTURES]
    lines += [
        f"from {panel}.residual import SimpleResNet",
        "import sys",
        "SimpleResNet()",
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))",
    ]
    loaded = set(fresh("\n".join(lines)).splitlines()[-1].split())
    assert loaded & OWN == {panel}


def test_many_networks_in_a_process_raise_no_false_alarm() -> None:
    reason = lacking("keras")
    if reason:
        pytest.skip(reason)
    code = (
        "import sys, numpy as np\n"
        "from shared import registry, specs\n"
        "from shared.interface import VARIANTS\n"
        "backend, spec = registry.load('keras'), specs.find('basic_net')\n"
        "batch = {'image': np.zeros((2, 28, 28, 1), 'f'), 'label': np.zeros(2, 'i')}\n"
        "for number in range(7):\n"
        "    for variant in VARIANTS:\n"
        "        model = backend.build(spec.network, seed=0, variant=variant)\n"
        "        model({'image': batch['image']})\n"
        "        model.trainer(spec.task, spec.settings, 0).train_step(batch)\n"
        "import tensorflow as tf\n"
        "def own(x):\n"
        "    return x\n"
        "for number in range(7):\n"
        "    tf.function(own)(tf.zeros(1))\n"
    )
    alarms = [line for line in errors_of(code).splitlines() if "retracing" in line]
    assert alarms
    assert all("<function own" in line for line in alarms), alarms


LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@pytest.mark.parametrize("chosen", [None, pytest.param("2", marks=exhaustive)])
@pytest.mark.parametrize(
    "backend", ["keras", *(pytest.param(name, marks=exhaustive) for name in ("torch", "flax"))]
)
def test_a_backend_leaves_the_log_level_as_the_user_has_it(
    backend: str, chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = lacking(backend)
    if reason:
        pytest.skip(reason)
    monkeypatch.delenv(LEVEL, raising=False)
    if chosen:
        monkeypatch.setenv(LEVEL, chosen)
    code = f"import os, triptych; triptych.load({backend!r}); print(os.environ.get({LEVEL!r}))"
    assert fresh(code).splitlines()[-1] == str(chosen)


@exhaustive
def test_a_worker_is_quiet_whatever_its_parent_has_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX sets the level of TensorFlow's log, and this project does."""
    loaded = [backend for backend in ("flax", "keras") if not lacking(backend)]
    if "keras" not in loaded:
        pytest.skip(str(lacking("keras")))
    monkeypatch.delenv(LEVEL, raising=False)
    code = (
        "import triptych\n"
        "from shared.workers import Worker\n"
        f"for backend in {loaded}:\n"
        "    triptych.load(backend)\n"
        "with Worker('keras') as worker:\n"
        "    worker.wait_until_ready()\n"
    )
    assert errors_of(code) == ""


@exhaustive
@pytest.mark.parametrize("flavour", ["keras-jax", "keras-torch"])
def test_keras_on_another_framework_is_quiet(flavour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = lacking(flavour)
    if reason:
        pytest.skip(reason)
    monkeypatch.delenv(LEVEL, raising=False)
    for name, value in FLAVOURS[flavour][1].items():
        monkeypatch.setenv(name, value)
    code = "import triptych; triptych.build('basic_net', 'keras')"
    assert errors_of(code) == ""


QUICK_START = {
    "torch": (
        "import torch\n"
        "from shared import registry\n"
        "registry.load('torch', whole=False)\n"
        "weight = torch.nn.Parameter(torch.ones(3))\n"
        "optimizer = torch.optim.SGD([weight], 0.5)\n"
        "optimizer.zero_grad()\n"
        "weight.sum().backward()\n"
        "optimizer.step()\n"
        "print('torch._dynamo.eval_frame' in sys.modules, weight.tolist())\n"
        "double = torch.compile(lambda x: 2 * x, backend='eager')\n"
        "print('torch._dynamo.eval_frame' in sys.modules, double(weight).tolist())\n"
    ),
    "keras": (
        "from shared import registry\n"
        "registry.load('keras', whole=False)\n"
        "print('matplotlib' in sys.modules)\n"
        "import jax, matplotlib\n"
        "print('matplotlib' in sys.modules)\n"
    ),
}


@pytest.mark.parametrize("backend", ["torch", pytest.param("keras", marks=exhaustive)])
def test_what_only_compilers_and_pictures_need_is_imported_when_it_is_used(backend: str) -> None:
    for needed in ("torch",) if backend == "torch" else ("keras", "flax"):
        if reason := lacking(needed):
            pytest.skip(reason)
    lines = fresh("import sys\n" + QUICK_START[backend]).splitlines()[-2:]
    assert [line.split()[0] for line in lines] == ["False", "True"], lines
    if backend == "torch":
        assert lines[0].endswith("[0.5, 0.5, 0.5]")
        assert lines[1].endswith("[1.0, 1.0, 1.0]")


@exhaustive
@pytest.mark.skipif(bool(lacking("torch")), reason="this is of PyTorch")
def test_what_users_ask_of_the_compiler_is_done_before_anything_is_compiled() -> None:
    """Several threads may ask first, and a function may be kept from it in advance."""
    code = """
import threading
import torch
from shared import registry
registry.load('torch', whole=False)

def ask():
    torch._dynamo.reset()
    seen.append(torch._dynamo.__file__)

seen = []
threads = [threading.Thread(target=ask) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(seen), len(set(seen)))
"""
    assert fresh(code).splitlines()[-1] == "8 1"
    code = """
import torch
from shared import registry
registry.load('torch', whole=False)
apart = torch.compiler.disable(lambda x: x + 1)
graphs = []

def count(graph, inputs):
    graphs.append(graph)
    return graph.forward

whole = torch.compile(lambda x: apart(2 * x) * 3, backend=count)
print(whole(torch.ones(1)).item(), len(graphs))
"""
    assert fresh(code).splitlines()[-1] == "9.0 2"
