# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX files of others, looked at before ONNX Runtime is: their weights are in them, and their sizes can be."""

from __future__ import annotations

import contextlib

import pytest
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.zoo import graph

onnx = pytest.importorskip("onnx")


def made(nodes, held=(), inputs=("x",)):
    """A model of these nodes; its output is y."""
    image = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, "n"]) for name in inputs]
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    return onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", image, [out], list(held))).SerializeToString()


def test_weights_must_all_be_in_the_file():
    add = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    for kind in (onnx.TensorProto.FLOAT, onnx.TensorProto.INT8, onnx.TensorProto.FLOAT16, onnx.TensorProto.BOOL):
        graph.check(made([add], [onnx.helper.make_tensor("w", kind, [2, 3], [1] * 6)]))
        graph.check(made([add], [onnx.helper.make_tensor("w", kind, [0, 3], [])]))
    graph.check(made([add], [onnx.helper.make_tensor("w", onnx.TensorProto.STRING, [2], ["a", "b"])]))
    graph.check(made([add], [onnx.helper.make_tensor("w", onnx.TensorProto.INT4, [3], [1, 2, 3])]))
    liar = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[2**40], raw_data=bytes(8))
    for within in ([add], [onnx.helper.make_node("Constant", [], ["w"], value=liar), add]):
        held = [liar] if len(within) == 1 else []
        with pytest.raises(BadInput, match="says that it has a weight of 1099511627776 and holds less of it"):
            graph.check(made(within, held))
    outside = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[2])
    outside.data_location = onnx.TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="weights.bin")
    with pytest.raises(BadInput, match="keeps weights in another file; export it as one file"):
        graph.check(made([add], [outside]))


@pytest.mark.parametrize("op", ["ConstantOfShape", "Expand", "Tile"])
def test_sizes_that_are_written_in_the_graph_have_a_limit(op):
    inputs = {"ConstantOfShape": ["n"]}.get(op, ["x", "n"])
    node = onnx.helper.make_node(op, inputs, ["y"])
    small, large = ([onnx.helper.make_tensor("n", onnx.TensorProto.INT64, [2], [1, n])] for n in (64, 2**33))
    graph.check(made([node], small))
    with pytest.raises(BadInput, match=rf"makes 8,589,934,592 values by {op}"):
        graph.check(made([node], large))
    with pytest.raises(BadInput, match=rf"makes 8,589,934,592 values by {op}"):
        graph.check(made([onnx.helper.make_node("Constant", [], ["n"], value=large[0]), node]))


def test_what_is_no_model_is_refused():
    content = made([onnx.helper.make_node("Relu", ["x"], ["y"])])
    for length in range(1, len(content)):
        with contextlib.suppress(BadInput):
            graph.check(content[:length])
            graph.state(content[:length])
    for other in (bytes(1000), b"no model", b"[" * 100_000):
        with pytest.raises(BadInput, match="is not an ONNX model"):
            graph.check(other)
