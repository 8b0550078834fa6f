"""The MNIST loader's arrays are torchvision's, bit for bit."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shared.data import files, mnist
from tests.idx_files import FULL_FOLDER, FULL_NAMES, put, require_full

TORCHVISION = """
import sys
try:
    from torchvision import datasets, transforms
except ImportError:
    sys.exit(77)
import torch
kind, root, out = sys.argv[1:]
steps = [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
for part, train in (("train", True), ("test", False)):
    data = getattr(datasets, kind)(root, train=train, transform=transforms.Compose(steps))
    with open(f"{out}/{part}-images", "wb") as images, open(f"{out}/{part}-labels", "wb") as labels:
        for image, label in data:
            images.write(image.permute(1, 2, 0).contiguous().numpy().tobytes())
            labels.write(bytes([label]))
"""


def assert_equals_torchvision(name: str, paths: list[Path], tmp_path: Path) -> None:
    """Compare a data set, whose named are at `paths`, with torchvision's arrays, bit for bit."""
    folder = files.FOLDERS["mnist" if name == "sample" else name]
    named = {path.name.removesuffix(".gz").replace(".idx", "-idx"): path for path in paths}
    unpacked = {
        file: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for file, path in named.items()
    }
    put(tmp_path / folder, unpacked)
    # In a process of its own, as the tests' process imports no framework.
    command = [sys.executable, "-c", TORCHVISION, folder.parts[0], str(tmp_path), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode == 77:
        pytest.skip("torchvision is not installed")
    assert result.returncode == 0, result.stderr
    data = mnist.load(name, FULL_FOLDER, download=False)
    for part, split in (("train", data.train), ("test", data.test)):
        theirs = (tmp_path / f"{part}-images").read_bytes()
        assert mnist.normalise(split.images).tobytes() == theirs
        assert split.labels.astype(np.uint8).tobytes() == (tmp_path / f"{part}-labels").read_bytes()


def test_the_sample_equals_torchvision_bit_for_bit(tmp_path: Path) -> None:
    assert_equals_torchvision("sample", [c.path for c in files.verify("sample")], tmp_path)


@pytest.mark.parametrize("name", FULL_NAMES)
def test_the_full_set_equals_torchvision_bit_for_bit(name: str, tmp_path: Path) -> None:
    require_full(name)
    paths = [check.path for check in files.verify(name, FULL_FOLDER) if check.ok]
    assert_equals_torchvision(name, paths, tmp_path)
