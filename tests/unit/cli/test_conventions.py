"""`triptych conventions` of several architectures, without a framework."""

import pytest

from shared import registry, specs
from shared.conventions import initialisers
from tests.printed import as_json
from tests.unit.cli.conftest import Triptych


@pytest.fixture
def laws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Laws that are made up; those of UNet cannot be found."""

    def compare(spec: specs.Spec, backends: list[str]) -> initialisers.Outcome:
        row = initialisers.Row(
            "bias", backends[0], ("fc.bias",), "0, constant", (1, 1), 0.0, 0.0, 0.0, 10
        )
        errors = {"torch": "broke"} if spec.name == "unet" else {}
        return initialisers.Outcome(spec.name, 4, [row], errors=errors)

    monkeypatch.setattr(initialisers, "compare", compare)
    monkeypatch.setattr(registry, "missing", lambda _: [])


@pytest.mark.usefixtures("laws")
def test_laws_of_several_architectures_are_shown_in_turn(triptych: Triptych) -> None:
    status, out, _ = triptych("conventions", "mimo_net", "BasicNet", "basic_net")
    assert status == 0
    titles = [line.split(":")[0] for line in out.splitlines() if "the laws of new weights" in line]
    assert titles == ["mimo_net", "basic_net"]


@pytest.mark.usefixtures("laws")
def test_laws_as_json_are_a_list_only_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    alone = as_json(capsys, "conventions", "mimo_net")
    assert alone["architecture"] == "mimo_net"
    several = as_json(capsys, "conventions", "mimo_net", "basic_net")
    assert several[0] == alone
    assert [value["architecture"] for value in several] == ["mimo_net", "basic_net"]


@pytest.mark.usefixtures("laws")
def test_one_that_fails_is_enough_for_the_status(triptych: Triptych) -> None:
    status, out, _ = triptych("conventions", "unet", "basic_net")
    assert status == 1
    assert "torch: broke" in out
    assert "basic_net: the laws of new weights" in out
