"""What several specs are made with."""

from shared.specs import SPECS


def test_configured_takes_vectors_where_no_image_has_that_size() -> None:
    network = SPECS["basic_net"].configured({"input_size": 20, "dropout_rate": 0})
    assert network.inputs["image"].shape == (20,)
    assert network.inputs["image"].axes == "D"
    others = {"hidden_size": 128, "output_size": 10}
    assert network.config == {"input_size": 20, **others, "dropout_rate": 0}
