"""What a process has that imports a backend: its panel alone, and no false alarm."""

import subprocess
import sys

import pytest

from shared.panels import PANELS
from tests.flavours import lacking
from tests.sources import ARCHITECTURES, OWN, ROOT, fresh


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
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    alarms = [line for line in done.stderr.splitlines() if "retracing" in line]
    assert alarms
    assert all("<function own" in line for line in alarms), alarms
