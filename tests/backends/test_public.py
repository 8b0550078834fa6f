"""What `import triptych` offers, in every backend."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import weights
from shared.predict import prediction
from shared.workers import Worker
from tests.examples.first_steps import first_steps
from tests.sources import fresh


def shown(backend: str, path: Path) -> dict[str, Any]:
    """What models show, and what is said of files that do not fit."""
    import triptych

    parts = triptych.build("basic_net", backend)
    wide = triptych.find("simple_resnet").cases[-1].network
    block = triptych.load(backend).build(wide, dtype="bfloat16", variant="idiomatic")
    texts = []
    for call in (
        lambda: triptych.load_weights(path, parts),
        lambda: triptych.save_weights(path, block),
    ):
        try:
            call()
        except triptych.TriptychError as error:
            texts.append(str(error))
    html: Any = block
    return {"repr": repr(block), "html": html._repr_html_(), "errors": texts}


def test_first_steps(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "digits.safetensors"
    model, history, digits = worker.call(first_steps, worker.backend, path, 640)
    backend = worker.backend
    # 784 * 64 + 64, 64 * 32 + 32, 32 * 10 + 10
    assert model == f"<BasicNet in {backend}: 52,650 parameters, float32 on cpu, tuned>"
    assert re.fullmatch(
        r"<History: 2 epochs, loss 2\.\d\d to 1\.\d\d, test accuracy \d\d\.\d %>", history
    )
    assert digits.shape == (10,)
    assert digits.dtype == np.int32

    saved = prediction.read(path)  # as `triptych predict` does
    assert saved.network.config["hidden_size"] == 64
    metadata = weights.read(path)[1]
    assert metadata["backend"] == backend
    assert metadata["data"] == "sample"


def test_models_show_themselves_and_files_that_do_not_fit(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    weights.write(path, {"fc1.bias": np.zeros(128)}, {"architecture": "skip_mlp"})
    texts = worker.call(shown, worker.backend, path)
    start = f"ResidualBlock in {worker.backend}: "
    assert texts["repr"].startswith(f"<{start}")
    assert texts["repr"].endswith(" parameters, bfloat16 on cpu, idiomatic>")
    html = texts["html"]
    assert html.startswith(f'<table><caption style="text-align: left">{start}')
    for cell in ("bn1.running_mean", "float32", "buffer"):
        assert f">{cell}</td>" in html
    own = "conv1.weight" if worker.backend == "torch" else "/conv1/kernel"
    assert f"{own}</td>" in html
    loading, saving = texts["errors"]
    assert loading.startswith(
        f"{path}, weights of skip_mlp, cannot be loaded into BasicNet: the weights do not fit the "
        "network: missing fc"
    )
    assert saving.startswith("ResidualBlock is no architecture of the catalogue; triptych.build ")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(find_spec("triton") is None, reason="without Triton nothing is aborted")
def test_torch_refuses_to_train_where_it_would_be_aborted() -> None:
    """Behind TensorFlow the first optimizer ends the process with a message of LLVM's."""
    code = (
        "import sys, types, triptych\n"
        "model = triptych.build('basic_net', 'torch')\n"
        "sys.modules['tensorflow'] = types.ModuleType('tensorflow')\n"
        "try:\n"
        "    triptych.fit(model, triptych.load_data('sample'), epochs=1)\n"
        "except triptych.ConfigurationError as error:\n"
        "    print(error)\n"
    )
    assert fresh(code).startswith("PyTorch cannot train in a process that has imported TensorFlow")
