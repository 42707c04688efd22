# SPDX-License-Identifier: GPL-3.0-or-later
"""What both ends of a ZeroMQ connection have in common: the library, addresses and keys."""

from __future__ import annotations

import ipaddress
import re
from types import ModuleType
from typing import Any

import numpy as np

from .. import keys
from ..errors import BadInput, Missing

SAMPLE_BYTES = np.dtype(np.complex64).itemsize
_TCP = re.compile(r"tcp://(.*):[^:]*", re.DOTALL)


def library() -> ModuleType:
    """pyzmq; Missing where it is not installed."""
    try:
        import zmq
        import zmq.utils.monitor
    except ImportError as error:
        raise Missing(f"ZeroMQ for Python is not installed ({error}); install the package python3-zmq") from None
    return zmq


def is_local(address: str) -> bool:
    """Whether nobody but this host reaches an address: ipc, inproc, and TCP on loopback."""
    found = _TCP.fullmatch(address)
    if found is None:
        return True
    host = found[1].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "lo")


def encrypt(socket: Any, zmq: ModuleType, key: keys.Key | None, serves: bool) -> None:
    """Have a socket speak CURVE (ZMTP 3.1, RFC 26), with the two key pairs that follow from a key.

    Nobody but who has the key knows either public key: so no other client, and no other server, gets past the
    handshake.

    Parameters
    ----------
    socket : zmq.Socket
        Not yet bound or connected.
    zmq : module
        Of :func:`library`.
    key : Key or None
        None leaves the socket as it is.
    serves : bool
        The end that binds is the server of CURVE.

    Raises
    ------
    Missing
        ZeroMQ was built without CURVE.
    """
    if key is None:
        return
    if not zmq.has("curve"):
        raise Missing("ZeroMQ was built without CURVE, so it cannot encrypt; install libzmq of your distribution")
    from zmq.utils import z85

    server, client = (z85.encode(key.derived(f"zeromq {end}")) for end in ("server", "client"))
    own = server if serves else client
    socket.setsockopt(zmq.CURVE_SECRETKEY, own)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, zmq.curve_public(own))
    if serves:
        socket.setsockopt(zmq.CURVE_SERVER, 1)
    else:
        socket.setsockopt(zmq.CURVE_SERVERKEY, zmq.curve_public(server))


def refusal(address: str, verb: str, error: Exception) -> BadInput:
    """The sentence for an address that ZeroMQ does not take."""
    return BadInput(f"{address!r} is no address that ZeroMQ can {verb} to: {error}")
