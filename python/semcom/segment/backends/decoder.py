# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM's mask decoder as graphs of our own, made from the weights of an exported one.

The exported graph takes one question at a time, projects the whole image for every attention and draws all masks at
the size of the frame. Here many questions are asked at once; what is the same for all questions about an image is a
graph of its own; a product of the image's 4096 positions with two matrices
is taken with the product of the two, which is small where few tokens look at the image; the upscaling runs over
channels that lie together; and it is a graph of its own, so that only what is looked at is drawn. The numbers are the
same but for rounding. Kirillov et al., "Segment Anything", ICCV 2023, section A (lightweight mask decoder).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...errors import BadInput
from ...zoo import graph
from ..masks import GRID

CELLS = GRID // 4
"""Side of the square of positions that the encoder gives."""

WIDTH = 256
"""Channels of a token and of a position."""

PREPARED = ("image", "placed", "keys", "values")
"""What all questions take of an image: its positions, these placed, and keys and values of what looks at it first."""

HEADS = 8
LAYERS = 2
_PIXELS = 32  # channels of a pixel of a mask
_INNER = WIDTH // 2  # of the attention between tokens and image
_HEAD = _INNER // HEADS
_OPSET = 20
_LOOKING = "transformer.layers.{}.cross_attn_token_to_image."
_PADDING = -1
_TURN = np.float32(2 * np.pi)

State = Mapping[str, np.ndarray]


class Tokens:
    """Makes tokens of points: four mask tokens and one of their quality go before.

    Parameters
    ----------
    state : mapping of str to numpy.ndarray
        Weights of the decoder, see ``graph.state``.
    """

    def __init__(self, state: State) -> None:
        self._gauss = _of(state, "pe_layer.positional_encoding_gaussian_matrix", (2, WIDTH // 2))
        self._kinds = {
            kind: _of(state, f"{name}.weight", (1, WIDTH))[0]
            for kind, name in ((_PADDING, "not_a_point_embed"), *((i, f"point_embeddings.{i}") for i in range(4)))
        }
        self._first = _nameless(state, "Expand", (1, 5, WIDTH))[0]

    def positions(self) -> np.ndarray:
        """What says where each position of the image lies, float32 [4096, 256]."""
        middles = (np.arange(CELLS, dtype=np.float32) + np.float32(0.5)) / CELLS
        x, y = np.meshgrid(middles, middles)
        return self._encoded(np.stack([x.ravel(), y.ravel()], axis=1))

    def of(self, points: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Tokens, float32 [B, 5 + N, 256], of points [B, N, 2] as shares of the frame and their labels [B, N]."""
        encoded = self._encoded(points) * (labels != _PADDING)[..., None]
        for kind, about in self._kinds.items():
            encoded[labels == kind] += about
        first = np.broadcast_to(self._first, (len(points), *self._first.shape))
        return np.concatenate([first, encoded], axis=1).astype(np.float32)

    def _encoded(self, shares: np.ndarray) -> np.ndarray:
        angles = (2 * shares.astype(np.float32) - 1) @ self._gauss * _TURN
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


def preparing(state: State) -> bytes:
    """The graph of what all questions about an image have in common.

    Parameters
    ----------
    state : mapping of str to numpy.ndarray
        Weights of the decoder.

    Returns
    -------
    bytes
        An ONNX model: ``image_embeddings`` [1, 256, 64, 64] -> what ``asking`` takes by the names ``PREPARED``.

    Raises
    ------
    BadInput
        The weights are not those of SAM's decoder.
    """
    g = _Graph(state)
    features = g.build.input("image_embeddings", 1, WIDTH, CELLS, CELLS)
    flat = g.shaped(features, 1, WIDTH, CELLS**2)
    flat = g.add(flat, g.build.weight(_nameless(state, "Mul", (1, WIDTH, 1, 1))[0, :, :, 0]))
    image = g.turned(flat, 0, 2, 1)
    placed = g.add(image, g.build.weight(Tokens(state).positions()))
    keys, values = (
        g.turned(g.shaped(g.linear(source, _LOOKING.format(0) + part), CELLS**2, HEADS, _HEAD), *order)
        for source, part, order in ((placed, "k_proj", (1, 2, 0)), (image, "v_proj", (1, 0, 2)))
    )
    return g.build.model(image, placed, keys, values)


def asking(state: State) -> bytes:
    """The graph from tokens to what masks are drawn from.

    Parameters
    ----------
    state : mapping of str to numpy.ndarray
        Weights of the decoder.

    Returns
    -------
    bytes
        An ONNX model: what ``preparing`` gives and ``tokens`` [B, T, 256] -> the image as the questions change it
        [B, 4096, 256], strokes [B, 4, 32] and scores [B, 4].

    Raises
    ------
    BadInput
        The weights are not those of SAM's decoder.
    """
    g = _Graph(state)
    shapes = (1, CELLS**2, WIDTH), (1, CELLS**2, WIDTH), (HEADS, _HEAD, CELLS**2), (HEADS, CELLS**2, _HEAD)
    image, placed, keys, values = (g.build.input(name, *shape) for name, shape in zip(PREPARED, shapes, strict=True))
    tokens = g.build.input("tokens", "questions", "tokens", WIDTH)
    where = g.build.weight(Tokens(state).positions())
    found = tokens
    for layer in range(LAYERS):
        at = f"transformer.layers.{layer}."
        if layer == 0:
            found = g.norm(g.among(found, found, at), at + "norm1")
        else:
            found = g.norm(g.add(found, g.among(g.add(found, tokens), found, at)), at + "norm1")
        if layer == 0:
            look = g.looking_first(g.add(found, tokens), keys, values)
        else:
            look = g.looking(g.add(found, tokens), placed, image, _LOOKING.format(layer))
        found = g.norm(g.add(found, look), at + "norm2")
        hidden = g.build("Relu", g.linear(found, at + "mlp.lin1"))
        found = g.norm(g.add(found, g.linear(hidden, at + "mlp.lin2")), at + "norm3")
        untold = g.telling(placed, g.add(found, tokens), found, at + "cross_attn_image_to_token.")
        # a sum would be joined with the norm behind it, which takes ONNX Runtime five times as long
        image = g.norm(g.build("Sub", image, untold), at + "norm4")
        placed = g.add(image, where)
    look = g.looking(g.add(found, tokens), placed, image, "transformer.final_attn_token_to_image.")
    found = g.norm(g.add(found, look), "transformer.norm_final_attn")
    strokes = [g.perceptron(g.token(found, 1 + mask), f"output_hypernetworks_mlps.{mask}.") for mask in range(4)]
    strokes = [g.shaped(stroke, -1, 1, _PIXELS) for stroke in strokes]
    strokes = g.build("Concat", *strokes, axis=1)
    return g.build.model(image, strokes, g.perceptron(g.token(found, 0), "iou_prediction_head."))


def drawing(state: State) -> bytes:
    """The graph that draws masks.

    Parameters
    ----------
    state : mapping of str to numpy.ndarray
        Weights of the decoder.

    Returns
    -------
    bytes
        An ONNX model: ``image`` [B, 4096, 256] and ``strokes`` [B, M, 32] -> masks [B, 65536, M], whose pixels are in
        the order (y, x, dy, dx, ddy, ddx) of 64, 64, 2, 2, 2, 2.

    Raises
    ------
    BadInput
        The weights are not those of SAM's decoder.
    """
    g = _Graph(state)
    image = g.build.input("image", "questions", CELLS**2, WIDTH)
    strokes = g.build.input("strokes", "questions", "masks", _PIXELS)
    inner = 2 * _PIXELS
    middle = g.shaped(g.finer(image, "output_upscaling.0", WIDTH, inner), -1, 4 * CELLS**2, inner)
    scale_and_shift = (g.build.weight(_nameless(state, op, (inner, 1, 1)).ravel()) for op in ("Mul", "Add"))
    normal = g.build("LayerNormalization", middle, *scale_and_shift, axis=-1, epsilon=1e-6)
    fine = g.finer(g.build("Gelu", normal), "output_upscaling.3", inner, _PIXELS)
    pixels = g.shaped(g.build("Gelu", fine), -1, 16 * CELLS**2, _PIXELS)
    return g.build.model(g.build("MatMul", pixels, g.turned(strokes, 0, 2, 1)))


def unfolded(masks: np.ndarray) -> np.ndarray:
    """Masks with their pixels in rows and columns.

    Parameters
    ----------
    masks : float32 [n, 65536]
        As the graph draws them.

    Returns
    -------
    float32 [n, 256, 256]
        In rows and columns.
    """
    return masks.reshape(-1, CELLS, CELLS, 2, 2, 2, 2).transpose(0, 1, 3, 5, 2, 4, 6).reshape(-1, GRID, GRID)


class _Graph:
    """The decoder's layers, added to a graph."""

    def __init__(self, state: State) -> None:
        self.build = graph.Builder(_OPSET)
        self._state = state

    def add(self, a: str, b: str) -> str:
        return self.build("Add", a, b)

    def shaped(self, tensor: str, *shape: int) -> str:
        return self.build("Reshape", tensor, self.build.weight(np.array(shape, np.int64)))

    def turned(self, tensor: str, *order: int) -> str:
        return self.build("Transpose", tensor, perm=list(order))

    def norm(self, tensor: str, name: str) -> str:
        parts = (self.build.weight(_of(self._state, f"{name}.{part}", (WIDTH,))) for part in ("weight", "bias"))
        return self.build("LayerNormalization", tensor, *parts, axis=-1, epsilon=1e-5)

    def linear(self, tensor: str, name: str) -> str:
        return self._affine(tensor, *self._matrix(name))

    def token(self, tokens: str, index: int) -> str:
        return self.build("Gather", tokens, self.build.weight(np.array(index, np.int64)), axis=1)

    def perceptron(self, tensor: str, name: str) -> str:
        for layer in range(3):
            matrix = _of(self._state, f"{name}layers.{layer}.weight", None).T
            tensor = self._affine(tensor, matrix, _of(self._state, f"{name}layers.{layer}.bias", None))
            tensor = self.build("Relu", tensor) if layer < 2 else tensor
        return tensor

    def among(self, asked: str, tokens: str, name: str) -> str:
        """Attention among the tokens."""
        name += "self_attn."
        head = WIDTH // HEADS
        query, key, value = (
            self.turned(self.shaped(self.linear(source, name + part), 0, -1, HEADS, head), 0, 2, *order)
            for source, part, order in (
                (asked, "q_proj", (1, 3)),
                (asked, "k_proj", (3, 1)),
                (tokens, "v_proj", (1, 3)),
            )
        )
        shares = self._softmax(self._scaled(self.build("MatMul", query, key), head))
        mixed = self.turned(self.build("MatMul", shares, value), 0, 2, 1, 3)
        return self.linear(self.shaped(mixed, 0, -1, WIDTH), name + "out_proj")

    def looking(self, asking: str, placed: str, image: str, name: str) -> str:
        """Attention of the tokens to the image: [B, T, 256]."""
        key, _ = self._heads(name + "k_proj")  # what is added to every key alike changes no share
        value, value_bias = self._heads(name + "v_proj")
        query = self._scaled(self._per_head(asking, name + "q_proj"), _HEAD)
        wanted = self.shaped(self.build("MatMul", query, self.build.weight(key.transpose(0, 2, 1))), 0, -1, WIDTH)
        shares = self._softmax(self.build("MatMul", wanted, self.turned(placed, 0, 2, 1)))
        seen = self.build("MatMul", shares, image)
        count = self.build.weight(np.array([0, HEADS, -1, WIDTH], np.int64))
        seen = self._affine(self.build("Reshape", seen, count), value, value_bias)
        return self.linear(self.shaped(self.turned(seen, 0, 2, 1, 3), 0, -1, _INNER), name + "out_proj")

    def looking_first(self, asking: str, keys: str, values: str) -> str:
        """The first of these, where keys and values are the same for all questions."""
        name = _LOOKING.format(0)
        query = self._scaled(self._per_head(asking, name + "q_proj"), _HEAD)
        seen = self.build("MatMul", self._softmax(self.build("MatMul", query, keys)), values)
        return self.linear(self.shaped(self.turned(seen, 0, 2, 1, 3), 0, -1, _INNER), name + "out_proj")

    def telling(self, placed: str, asking: str, tokens: str, name: str) -> str:
        """Attention of the image to the tokens, its sign turned: [B, 4096, 256]."""
        query, query_bias = self._heads(name + "q_proj")
        out, out_bias = self._matrix(name + "out_proj")
        key = self.turned(self._scaled(self._per_head(asking, name + "k_proj"), _HEAD), 0, 1, 3, 2)
        wanted = self.turned(self.build("MatMul", self.build.weight(query), key), 0, 2, 1, 3)
        bias = self.turned(self.build("MatMul", self.build.weight(query_bias), key), 0, 2, 1, 3)
        fits = self.build("MatMul", placed, self.shaped(wanted, 0, WIDTH, -1))
        fits = self.add(fits, self.shaped(bias, 0, 1, -1))
        shares = self._softmax(self.shaped(fits, 0, CELLS**2, HEADS, -1))
        # the shares of each head add up to one, so that its part of the bias can be added to what is shared out
        value = self._affine(
            self._per_head(tokens, name + "v_proj"), -out.reshape(HEADS, _HEAD, WIDTH), -out_bias / np.float32(HEADS)
        )
        return self.build("MatMul", self.shaped(shares, 0, CELLS**2, -1), self.shaped(value, 0, -1, WIDTH))

    def finer(self, tensor: str, name: str, inner: int, outer: int) -> str:
        """A transposed convolution of stride 2: each position becomes four, which lie in its channels."""
        matrix = _of(self._state, f"{name}.weight", (inner, outer, 2, 2)).transpose(0, 2, 3, 1).reshape(inner, -1)
        return self._affine(tensor, matrix, np.tile(_of(self._state, f"{name}.bias", (outer,)), 4))

    def _affine(self, tensor: str, matrix: np.ndarray, bias: np.ndarray) -> str:
        return self.add(self.build("MatMul", tensor, self.build.weight(matrix)), self.build.weight(bias))

    def _per_head(self, tokens: str, name: str) -> str:
        """A projection of tokens, [B, 8, T, 16]."""
        return self.turned(self.shaped(self.linear(tokens, name), 0, -1, HEADS, _HEAD), 0, 2, 1, 3)

    def _heads(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A projection's matrix and bias for each head: [8, 256, 16] and [8, 1, 16]."""
        matrix, bias = self._matrix(name)
        return matrix.reshape(WIDTH, HEADS, _HEAD).transpose(1, 0, 2), bias.reshape(HEADS, 1, _HEAD)

    def _matrix(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return _of(self._state, f"{name}.matmul", None), _of(self._state, f"{name}.bias", None)

    def _scaled(self, tensor: str, size: int) -> str:
        return self.build("Mul", tensor, self.build.weight(np.array(size**-0.5, np.float32)))

    def _softmax(self, tensor: str) -> str:
        return self.build("Softmax", tensor, axis=-1)


def _of(state: State, name: str, shape: tuple[int, ...] | None) -> np.ndarray:
    """The weights whose name ends so, however the exporter's module was nested."""
    found = [array for key, array in state.items() if key == name or key.endswith(f".{name}")]
    if len(found) != 1 or (shape is not None and found[0].shape != shape):
        raise BadInput(f"this decoder has no weights {name} of SAM's mask decoder; export it with samexporter")
    return found[0]


def _nameless(state: State, op: str, shape: tuple[int, ...]) -> np.ndarray:
    """The weights that the exporter named after the operation that takes them."""
    found = [array for key, array in state.items() if key.startswith(f"onnx::{op}_") and array.shape == shape]
    if len(found) != 1:
        raise BadInput(f"this decoder has no weights {list(shape)} of SAM's mask decoder; export it with samexporter")
    return found[0]
