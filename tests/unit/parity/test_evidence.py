"""Files that are no evidence are refused."""

from pathlib import Path

import numpy as np
import pytest

from shared import weights
from shared.errors import EvidenceError
from shared.parity import evidence


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(EvidenceError, match="no such file"):
        evidence.read(path)
    weights.write(path, {"a": np.ones(2)}, {"architecture": "basic_net"})
    with pytest.raises(EvidenceError, match="is no evidence; `triptych record` writes such files"):
        evidence.read(path)
    weights.write(path, {"a": np.ones(2)}, {"about": {"kind": "triptych evidence", "format": 9}})
    with pytest.raises(EvidenceError, match=r"of format 9, and this version .* formats up to 6"):
        evidence.read(path)
