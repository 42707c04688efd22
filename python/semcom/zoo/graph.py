# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX files taken apart and made anew, as far as weights and nodes go, without the ``onnx`` package.

An ONNX file is one message of Protocol Buffers. A message is a list of fields (number, value): values are whole
numbers, or bytes, which may be a message themselves. The numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput

Field = tuple[int, int | bytes]

GRAPH, OPSETS = 7, 8  # of a model
NODES, WEIGHTS = 1, 5  # of a graph
_IR_VERSION = 8
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
    found: list[Field] = []
    view, at = memoryview(message), 0
    try:
        while at < len(view):
            key, at = _varint_at(view, at)
            number, kind = key >> 3, key & 7
            if kind == 0:
                value, at = _varint_at(view, at)
                found.append((number, value))
                continue
            size = {1: 8, 5: 4}.get(kind)
            if kind == 2:
                size, at = _varint_at(view, at)
            if size is None or at + size > len(view):
                raise IndexError
            found.append((number, bytes(view[at : at + size])))
            at += size
    except IndexError:
        raise BadInput("this is not an ONNX model, or it is cut short") from None
    return found


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
            text = {which: [part.decode() for n, part in parts if n == which] for which in (1, 2, 3, 4)}
            found.append(Node("".join(text[4]), "".join(text[3]), tuple(text[1]), tuple(text[2])))
    return found


def name_of(value: bytes) -> str:
    """The name of a tensor that is a message."""
    return b"".join(part for number, part in fields(value) if number == 8).decode()


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
        if each.op == "MatMul" and each.inputs[1] in held:
            found[each.name.strip("/").replace("/", ".").removesuffix(".MatMul") + ".matmul"] = held[each.inputs[1]]
    return found


def _value(name: str, shape: Iterable[int | str]) -> bytes:
    sides = [(1, message([(1, side) if isinstance(side, int) else (2, side.encode())])) for side in shape]
    kind = message([(1, message([(1, _TYPES[np.dtype(np.float32)]), (2, message(sides))]))])
    return message([(1, name.encode()), (2, kind)])


def _array(value: bytes) -> tuple[str, np.ndarray] | None:
    parts = fields(value)
    shape = [side for number, side in parts if number == 1]
    if shape and isinstance(shape[0], bytes):  # packed
        shape = [side for packed in shape for side in _varints(packed)]
    about = dict(parts)
    dtype = _DTYPES.get(about.get(2))
    if dtype is None or 9 not in about or len(about[9]) != dtype.itemsize * int(np.prod(shape)):
        return None
    return about.get(8, b"").decode(), np.frombuffer(about[9], dtype.newbyteorder("<")).astype(dtype).reshape(shape)


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
    while at < len(packed):
        value, at = _varint_at(memoryview(packed), at)
        found.append(value)
    return found
