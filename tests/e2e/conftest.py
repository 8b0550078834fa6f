"""What the tests of commands and pages share: a report, and what was measured for it."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared import registry
from tests.assertions import status


@pytest.fixture(scope="session")
def report_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of one architecture as a user makes it, but for the guide's chapters."""
    if not registry.installed():
        pytest.skip("needs a backend")
    path = tmp_path_factory.mktemp("report") / "pages"
    assert status(["report", "basic_net", "--no-guide", "--output", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def measured(report_folder: Path) -> Any:
    """What was measured for that report."""
    from shared.report import run  # only these tests need what it imports

    return json.loads((report_folder / run.MEASURED).read_text("utf-8"))
