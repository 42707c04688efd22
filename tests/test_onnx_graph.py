# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX files read and made without the onnx package, and weights in eight bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.zoo import graph, onnx
from gnuradio.semcom.zoo.quantise import int8

MATRIX = np.random.default_rng(5).normal(size=(64, 32)).astype(np.float32) * np.geomspace(
    0.01, 10, 32, dtype=np.float32
)
BIAS = np.arange(32, dtype=np.float32)


def affine() -> bytes:
    build = graph.Builder(17)
    x = build.input("x", "rows", 64)
    scaled = build("LeakyRelu", x, alpha=0.5)
    turned = build("Transpose", build.weight(MATRIX.T.copy()), perm=[1, 0])
    made = build("Add", build("MatMul", scaled, turned), build.weight(BIAS))
    return build.model(build("MatMul", made, build.weight(MATRIX.T.copy())))


def run(model: bytes, path: Path, x: np.ndarray) -> np.ndarray:
    path.write_bytes(model)
    return onnx.session(path, threads=1).run(None, {"x": x})[0]


def test_what_is_built_runs(tmp_path):
    x = np.random.default_rng(6).normal(size=(3, 64)).astype(np.float32)
    wanted = (np.where(x > 0, x, x / 2) @ MATRIX + BIAS) @ MATRIX.T
    np.testing.assert_allclose(run(affine(), tmp_path / "affine.onnx", x), wanted, rtol=1e-4, atol=1e-3)


def test_a_model_is_read_as_it_was_written():
    model = affine()
    parts = graph.fields(model)
    inner = graph.fields(dict(parts)[graph.GRAPH])
    assert graph.message(parts) == model and graph.message(inner) == dict(parts)[graph.GRAPH]
    assert [node.op for node in graph.nodes(inner)] == ["LeakyRelu", "Transpose", "MatMul", "Add", "MatMul"]
    held = list(graph.weights(inner).values())
    np.testing.assert_array_equal(held[0], MATRIX.T)
    np.testing.assert_array_equal(held[1], BIAS)


def test_weights_in_eight_bits_are_within_half_a_step_of_each_channel(tmp_path):
    rounded = int8(affine())
    assert rounded == int8(affine())
    inner = graph.fields(dict(graph.fields(rounded))[graph.GRAPH])
    held = {name: array for name, array in graph.weights(inner).items() if "/" in name}
    (whole,), (scale,) = ([v for k, v in held.items() if k.endswith(end)] for end in ("int8", "scale"))
    assert whole.dtype == np.int8 and scale.shape == (1, 64)
    np.testing.assert_array_less(np.abs(whole * scale - MATRIX.T), np.broadcast_to(scale / 2 * 1.001, whole.shape))
    x = np.random.default_rng(6).normal(size=(3, 64)).astype(np.float32)
    plain, near = (run(m, tmp_path / f"{i}.onnx", x) for i, m in enumerate((affine(), rounded)))
    assert 0 < np.abs(plain - near).max() < 0.02 * np.abs(plain).max()


@pytest.mark.parametrize("damaged", [affine()[:-5], b"\xff" * 4000, b"\x80" * 4000, b"no model at all, but a text"])
def test_what_is_no_model_is_refused(damaged):
    with pytest.raises(BadInput, match=r"not an ONNX model|no weights that could be rounded"):
        int8(damaged)


def test_a_model_without_large_weights_is_not_rounded():
    build = graph.Builder(17)
    x = build.input("x", "rows", 2)
    with pytest.raises(BadInput, match="no weights that could be rounded to eight bits; take one in float32"):
        int8(build.model(build("MatMul", x, build.weight(np.eye(2, dtype=np.float32)))))
