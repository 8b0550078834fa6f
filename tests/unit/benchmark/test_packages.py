"""The disk space of what is installed."""

import pytest

from shared import registry
from shared.benchmark import packages

INSTALLED = registry.installed()
one = pytest.mark.skipif(not INSTALLED, reason="needs a backend")


@one
def test_an_environment_has_all_that_is_needed_and_is_larger_with_more() -> None:
    names = packages.requirements("triptych", {"torch"})
    assert "triptych" not in names
    assert {"numpy", "packaging", "rich", "markdown-it-py"} <= names
    assert ("torch" in names) is ("torch" in INSTALLED)
    bare = packages.environment_bytes("none")
    with_one = packages.environment_bytes(INSTALLED[0])
    assert bare
    assert with_one
    assert 10_000_000 < bare < with_one
    assert packages.environment_bytes("torch", "no-such-project-here") is None
