# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX files taken apart and made anew, as far as weights and nodes go, without the ``onnx`` package.

An ONNX file is one message of Protocol Buffers. A message is a list of fields (number, value): values are whole
numbers, or bytes, which may be a message themselves. The numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput

Field = tuple[int, int | bytes]

GRAPH, OPSETS = 7, 8  # of a model
NODES, WEIGHTS = 1, 5  # of a graph
_IR_VERSION = 8
MAX_MESSAGES = 2**20

# messages of onnx.proto in which there may be a tensor: number of the field -> what it is
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _SPARSE, _FUNCTION, _TENSOR = range(7)
_INSIDE = {
    _MODEL: {GRAPH: _GRAPH, 25: _FUNCTION},
    _GRAPH: {NODES: _NODE, WEIGHTS: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
}
_TEXTS, _RAW, _EXTERNAL, _LOCATION = 6, 9, 13, 14  # of a tensor
_TYPED = {4, 5, 7, 10, 11}
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16}
"""Of a value of each type of a tensor; what is not here has fewer."""

_MAKERS = frozenset({"ConstantOfShape", "Expand", "Tile", "Range", "Resize", "Upsample", "Pad"})
_SMALL = 1024  # bytes of a tensor that may be a size
MAX_MADE = 2**28
"""Values that a node may make by a size that is written in the graph."""

_NO_MODEL = "this is not an ONNX model, or it is cut short"
_MAX_SIDES, _MAX_SIDE = 32, 2**40  # of a tensor
_LONGEST = 63  # bits before the last byte of a whole number
_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int8): 3, np.dtype(np.int64): 7}
_DTYPES = {number: dtype for dtype, number in _TYPES.items()}


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes
    ----------
    op : str
        Its type.
    name : str
        Its own name.
    inputs, outputs : tuple of str
        Names of tensors.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def fields(message: bytes) -> list[Field]:
    """The fields of a message, in their order.

    Parameters
    ----------
    message : bytes
        The message.

    Returns
    -------
    list of (int, int or bytes)
        Number and value. Numbers of fixed size are bytes too, which :func:`message` would not write as such; a model
        and its graph have none.

    Raises
    ------
    BadInput
        It is cut short, or no message.
    """
    if not isinstance(message, bytes):  # a number where a message should be
        raise BadInput(_NO_MODEL)
    return [
        (number, bytes(value) if has_length else _varint_at(value, 0)[0])
        for number, has_length, value in _parts(memoryview(message))
    ]


def message(parts: Iterable[Field]) -> bytes:
    """The message of fields, as :func:`fields` gives them: whole numbers, and bytes of any length."""
    return b"".join(_key(number, value) for number, value in parts)


def weights(graph: Iterable[Field]) -> dict[str, np.ndarray]:
    """The tensors that a graph holds by their names; those of other types than float32, int8 and int64 are left out.

    Parameters
    ----------
    graph : iterable of (int, int or bytes)
        Fields of a graph.

    Returns
    -------
    dict of str to numpy.ndarray
        By name.
    """
    return dict(filter(None, (_array(value) for number, value in graph if number == WEIGHTS)))


def nodes(graph: Iterable[Field]) -> list[Node]:
    """The operations of a graph.

    Parameters
    ----------
    graph : iterable of (int, int or bytes)
        Fields of a graph.

    Returns
    -------
    list of Node
        In their order.
    """
    found = []
    for number, value in graph:
        if number == NODES:
            parts = fields(value)
            text = {which: [_text(part) for n, part in parts if n == which] for which in (1, 2, 3, 4)}
            found.append(Node("".join(text[4]), "".join(text[3]), tuple(text[1]), tuple(text[2])))
    return found


def name_of(value: bytes) -> str:
    """The name of a tensor that is a message."""
    return "".join(_text(part) for number, part in fields(value) if number == 8)


def tensor(name: str, array: np.ndarray) -> bytes:
    """A named tensor as a message.

    Parameters
    ----------
    name : str
        Its name.
    array : float32, int8 or int64 array
        Its values.

    Returns
    -------
    bytes
        Of ``onnx.TensorProto``.
    """
    data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return message([*((1, side) for side in array.shape), (2, _TYPES[array.dtype]), (8, name.encode()), (9, data)])


def node(op: str, inputs: Iterable[str], outputs: Iterable[str], name: str = "", **attributes: int | float) -> bytes:
    """An operation as a message.

    Parameters
    ----------
    op : str
        Its type.
    inputs, outputs : iterable of str
        Names of tensors.
    name : str
        Its own name.
    **attributes : int, float or list of int
        By name.

    Returns
    -------
    bytes
        Of ``onnx.NodeProto``.
    """
    parts: list[Field] = [(1, tensor.encode()) for tensor in inputs] + [(2, tensor.encode()) for tensor in outputs]
    parts += [(3, name.encode()), (4, op.encode())]
    for key, value in attributes.items():
        about: list[Field] = [(1, key.encode())]
        if isinstance(value, float):
            about += [(2, struct.pack("<f", value)), (20, 1)]
        elif isinstance(value, int):
            about += [(3, value), (20, 2)]
        else:
            about += [*((8, each) for each in value), (20, 7)]
        parts.append((5, _attribute(about)))
    return message(parts)


def check(model: bytes | memoryview) -> None:
    """Refuse a model whose weights are not all in it, as many as it says.

    ONNX Runtime would read other files, of which no hash knows anything, and take memory for what is not there.

    Parameters
    ----------
    model : bytes or memoryview
        The ONNX file; nothing of it is copied.

    Raises
    ------
    BadInput
        Its weights are in another file, are fewer than it says, or it is no model.
    """
    waiting = [(_MODEL, memoryview(model))]
    seen = 0
    while waiting:
        kind, view = waiting.pop()
        seen += 1
        if seen > MAX_MESSAGES:
            raise BadInput(f"this ONNX model has more than {MAX_MESSAGES:,} nodes, weights and attributes")
        if kind == _TENSOR:
            _check_tensor(view)
            continue
        inner = _INSIDE[kind]
        found = [(number, value) for number, value in _walk(view) if number in inner]
        if kind == _GRAPH:
            _check_sizes(found)
        waiting += [(inner[number], value) for number, value in found]


class Builder:
    """Makes a graph, a node at a time; every node's output gets a name of its own.

    Parameters
    ----------
    opset : int
        Version of the operators.
    """

    def __init__(self, opset: int) -> None:
        self._opset = opset
        self._parts: list[Field] = []
        self._count = 0

    def weight(self, array: np.ndarray) -> str:
        """Put an array into the graph; its name."""
        name = self._name()
        self._parts.append((WEIGHTS, tensor(name, array)))
        return name

    def __call__(self, op: str, *inputs: str, **attributes: int | float) -> str:
        """Add a node of one output; its name."""
        name = self._name()
        self._parts.append((NODES, node(op, inputs, [name], name, **attributes)))
        return name

    def input(self, name: str, *shape: int | str) -> str:
        """Declare a float32 input; sides that are names may be of any length."""
        self._parts.append((11, _value(name, shape)))
        return name

    def model(self, *outputs: str) -> bytes:
        """The file; its outputs have the names of the nodes that make them."""
        graph = message([*self._parts, *((12, message([(1, name.encode())])) for name in outputs), (2, b"semcom")])
        return message([(1, _IR_VERSION), (GRAPH, graph), (OPSETS, message([(1, b""), (2, self._opset)]))])

    def _name(self) -> str:
        self._count += 1
        return f"t{self._count}"


def state(model: bytes) -> Mapping[str, np.ndarray]:
    """The weights of a model by the names that its PyTorch module gave them.

    An exporter turns the matrices of linear layers round and forgets their names; the names of the nodes that multiply
    by them remember.

    Parameters
    ----------
    model : bytes
        The ONNX file.

    Returns
    -------
    mapping of str to numpy.ndarray
        Weights under their names, and those of matrix products under ``PATH.matmul``, [inputs, outputs].
    """
    graph = fields(next((value for number, value in fields(model) if number == GRAPH), b""))
    held = weights(graph)
    found = dict(held)
    for each in nodes(graph):
        if each.op == "MatMul" and len(each.inputs) == 2 and each.inputs[1] in held:
            found[each.name.strip("/").replace("/", ".").removesuffix(".MatMul") + ".matmul"] = held[each.inputs[1]]
    return found


def _walk(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The bytes of each field of a message, with its number."""
    for number, _, value in _parts(view):
        if not number:
            raise BadInput(_NO_MODEL)
        yield number, value


def _parts(view: memoryview) -> Iterator[tuple[int, bool, memoryview]]:
    """Number of each field of a message, whether its size is said or fixed, and its bytes: else those of a varint."""
    at = 0
    try:
        while at < len(view):
            key, at = _varint_at(view, at)
            number, kind = key >> 3, key & 7
            if kind == 0:
                begin = at
                _, at = _varint_at(view, at)
                yield number, False, view[begin:at]
                continue
            size = {1: 8, 5: 4}.get(kind)
            if kind == 2:
                size, at = _varint_at(view, at)
            if size is None or at + size > len(view):
                raise IndexError
            yield number, True, view[at : at + size]
            at += size
    except IndexError:
        raise BadInput(_NO_MODEL) from None


def _check_sizes(graph: list[tuple[int, memoryview]]) -> None:
    """Refuse nodes that make more of nothing than there may be, where the size is written in the graph."""
    sizes: dict[str, list[int]] = {}
    makers: list[tuple[str, list[str]]] = []
    for number, view in graph:
        if number == WEIGHTS:
            name, values = _small(view)
            sizes[name] = values
        elif number == NODES:
            parts = list(_walk(view))
            op = "".join(_text(bytes(value)) for field, value in parts if field == 4)
            attributes = [dict(_walk(value)) for field, value in parts if field == 5]
            if op == "Constant":
                outputs = [_text(bytes(value)) for field, value in parts if field == 2]
                held = next((_small(each[5])[1] for each in attributes if 5 in each), [])
                sizes |= dict.fromkeys(outputs, held)
            elif op in _MAKERS:
                makers.append((op, [_text(bytes(value)) for field, value in parts if field == 1]))
    for op, inputs in makers:
        for name in inputs:
            count = math.prod(max(1, side) for side in sizes.get(name, ()))
            if count > MAX_MADE:
                raise BadInput(f"this ONNX model makes {count:,} values by {op} where {MAX_MADE:,} may be")


def _small(view: memoryview) -> tuple[str, list[int]]:
    """Name and values of a tensor of a few whole numbers; no values of any other."""
    about: dict[int, bytes] = {}
    if len(view) <= _SMALL:
        about = {number: bytes(value) for number, value in _walk(view)}
    else:
        about = {number: bytes(value) for number, value in _walk(view) if number == 8}
    kind = _varints(about.get(2, b"\0"))[0]
    values: list[int] = []
    if kind == _TYPES[np.dtype(np.int64)]:
        raw = about.get(_RAW, b"")
        whole = np.frombuffer(raw[: len(raw) // 8 * 8], "<i8").tolist()
        signed = [value - 2**64 if value >= 2**63 else value for value in _varints(about.get(7, b""))]
        values = whole or signed
    return _text(about.get(8, b"")), values


def _check_tensor(view: memoryview) -> None:
    """Whether the values are here, and as many as there should be."""
    dims: list[int] = []
    raw = typed = texts = 0
    kind = None
    for number, value in _walk(view):
        if number == 1:
            dims += _varints(bytes(value))
        elif number == 2:
            kind = _varints(bytes(value))[0]
        elif number == _RAW:
            raw += len(value)
        elif number in _TYPED:
            typed += len(value)
        elif number == _TEXTS:
            texts += 1
        elif number == _EXTERNAL or (number == _LOCATION and _varints(bytes(value)) != [0]):
            raise BadInput("this ONNX model keeps weights in another file; export it as one file")
    # a number takes a byte or more, but of four bits there are two in one
    if math.prod(dims) > 8 * raw // _BITS.get(kind, 4) + 2 * typed + texts:
        raise BadInput(f"this ONNX model says that it has a weight of {_shown(dims)} and holds less of it")


def _shown(dims: list[int]) -> str:
    return "x".join(map(str, dims[:4])) + ("x..." if len(dims) > 4 else "")


def _value(name: str, shape: Iterable[int | str]) -> bytes:
    sides = [(1, message([(1, side) if isinstance(side, int) else (2, side.encode())])) for side in shape]
    kind = message([(1, message([(1, _TYPES[np.dtype(np.float32)]), (2, message(sides))]))])
    return message([(1, name.encode()), (2, kind)])


def _array(value: bytes) -> tuple[str, np.ndarray] | None:
    parts = fields(value)
    sides = [side for number, side in parts if number == 1]
    # one by one, or packed
    shape = [side for each in sides for side in (_varints(each) if isinstance(each, bytes) else [each])]
    about = dict(parts)
    dtype, data = _DTYPES.get(about.get(2)), about.get(9)
    if dtype is None or not isinstance(data, bytes) or len(data) != dtype.itemsize * math.prod(shape):
        return None
    if len(shape) > _MAX_SIDES or max(shape, default=0) > _MAX_SIDE:
        raise BadInput(_NO_MODEL)
    return _text(about.get(8, b"")), np.frombuffer(about[9], dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def _attribute(parts: Iterable[Field]) -> bytes:
    # the number of an attribute is the one field of fixed size here
    return b"".join(bytes([number << 3 | 5]) + value if number == 2 else _key(number, value) for number, value in parts)


def _key(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first, the top bit set in all but the last; negative as of 64 bits."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _varint_at(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if shift > _LONGEST:
            raise IndexError
        byte = view[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varints(packed: bytes) -> list[int]:
    found, at = [], 0
    try:
        while at < len(packed):
            value, at = _varint_at(memoryview(packed), at)
            found.append(value)
    except IndexError:
        raise BadInput(_NO_MODEL) from None
    return found


def _text(value: int | bytes) -> str:
    try:
        return value.decode()
    except (AttributeError, UnicodeDecodeError):
        raise BadInput(_NO_MODEL) from None
