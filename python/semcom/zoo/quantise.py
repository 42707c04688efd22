# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights in eight bits: a model's matrices and filters rounded for each channel by itself, and the rest as it was.

The model makes numbers of them when it is loaded, so that its file is smaller and what runs is the same. It does so by
a cast and a product: ONNX's DequantizeLinear has scales by channel only from version 13 of the operators on.
"""

from __future__ import annotations

import numpy as np

from ..errors import BadInput
from . import graph

_LEAST = 1024  # values; smaller weights stay as they are
_AXES = {"Conv": 0, "MatMul": 1, "Gemm": 0}
"""Operations whose second input is rounded, and the axis of that along which their channels lie."""
_FLOAT = 1  # in ``onnx.TensorProto``


def int8(model: bytes) -> bytes:
    """A model with its weights in eight bits.

    Parameters
    ----------
    model : bytes
        An ONNX file.

    Returns
    -------
    bytes
        Another one, the same for the same model.

    Raises
    ------
    BadInput
        It is no ONNX model, or has no weights that could be rounded.
    """
    parts = graph.fields(model)
    inner = graph.fields(next((value for number, value in parts if number == graph.GRAPH), b""))
    held = graph.weights(inner)
    axes: dict[str, int] = {}
    for node in graph.nodes(inner):
        for name in node.inputs[1:2]:
            array = held.get(name)
            if node.op in _AXES and array is not None and array.dtype == np.float32 and array.size >= _LEAST:
                axes[name] = _AXES[node.op]
    if not axes:
        raise BadInput("this ONNX model has no weights that could be rounded to eight bits; take one in float32")
    made = [field for name, axis in axes.items() for field in _rounded(name, held[name], axis)]
    kept = [field for field in inner if not (field[0] == graph.WEIGHTS and graph.name_of(field[1]) in axes)]
    return graph.message(
        (number, graph.message([*made, *kept]) if number == graph.GRAPH else value) for number, value in parts
    )


def _rounded(name: str, array: np.ndarray, axis: int) -> list[graph.Field]:
    """The fields that give the weights their name back."""
    others = tuple(i for i in range(array.ndim) if i != axis)
    scale = np.maximum(np.abs(array).max(axis=others, keepdims=True), np.float32(1e-12)) / np.float32(127)
    whole = np.rint(array / scale).astype(np.int8)
    rounded, factor, cast = (f"{name}/{part}" for part in ("int8", "scale", "cast"))
    return [
        (graph.WEIGHTS, graph.tensor(rounded, whole)),
        (graph.WEIGHTS, graph.tensor(factor, scale)),
        (graph.NODES, graph.node("Cast", [rounded], [cast], cast, to=_FLOAT)),
        (graph.NODES, graph.node("Mul", [cast, factor], [name], f"{name}/product")),
    ]
