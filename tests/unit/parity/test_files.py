"""Evidence in files, held against each other."""

from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import EvidenceError
from shared.parity import evidence
from shared.parity.evidence import Evidence
from shared.parity.files import compare_files


def test_files_of_an_architecture_that_is_not_here_are_refused(tmp_path: Path) -> None:
    one = Evidence("basic_net", "torch", {"torch": "9"}, "cpu", "highest", {}, {})
    paths = [tmp_path / name for name in ("a.safetensors", "b.safetensors")]
    for path in paths:
        evidence.write(path, replace(one, architecture="net_of_tomorrow"))
    with pytest.raises(EvidenceError, match="no architecture 'net_of_tomorrow' here to hold"):
        compare_files(paths)
