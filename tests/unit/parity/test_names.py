"""The names of two models' tensors, and how they are paired."""

from shared.parity.names import Named, pair, renamed, suggest


def test_names_by_the_longest_beginning() -> None:
    mapping = {"Block_0": "layer1", "Block_0.Conv_0": "layer1.conv1", "Block_0.Conv_1.bias": "b.x"}
    assert renamed("Block_0.Conv_0.weight", mapping) == "layer1.conv1.weight"
    assert renamed("Block_0.Conv_1.weight", mapping) == "layer1.Conv_1.weight"
    assert renamed("Block_0.Conv_1.bias", mapping) == "b.x"
    assert renamed("Block_01.bias", mapping) == "Block_01.bias"


def test_layers_follow_their_tensors() -> None:
    a = Named("a", {"x.weight": (2, 3), "y.weight": (2, 3)}, ("x", "act", "y"))
    b = Named("b", {"p.weight": (2, 3), "x.weight": (2, 3)}, ("p", "x", "act"))
    pairs = pair(a, b, {"p.weight": "x.weight", "x.weight": "y.weight"})
    assert pairs == {
        "p": "x",
        "x": "y",
        "act": "act",
        "p.weight": "x.weight",
        "x.weight": "y.weight",
    }


def test_proposals_need_equally_many_of_a_kind() -> None:
    a = Named("a", {"x.w": (2, 3), "y.w": (2, 3), "z.w": (4,)}, ("y", "x", "z"))
    b = Named("b", {"p.w": (2, 3), "q.w": (2, 3), "r.w": (5,)}, ("p", "r", "q"))
    assert suggest(a, b, a.shapes, b.shapes) == {"p": "y", "q": "x"}
    assert suggest(a, b, ["x.w", "z.w"], b.shapes) == {}
