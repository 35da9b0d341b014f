"""Messages between a client and a reading process: JSON with an optional binary payload, no pickle."""

import base64
import json
import socket
import struct
import time
from typing import Any

import numpy as np

_LENGTHS = struct.Struct(">QQ")
MAX_JSON_BYTES = 2**28
_PART_BYTES = 2**20
_MIN_TIMEOUT_S = 1e-3  # 0 would make the socket non-blocking


class BrokenMessageError(Exception):
    """The peer has disconnected or sent an invalid message."""


def send(
    connection: socket.socket,
    message: dict[str, Any],
    payload: bytes | memoryview = b"",
    *,
    descriptor: int | None = None,
) -> None:
    """Send a message, optionally with the descriptor of an open file."""
    encoded = json.dumps(message).encode()
    head = _LENGTHS.pack(len(encoded), len(payload))
    if descriptor is None:
        connection.sendall(head)
    else:
        socket.send_fds(connection, [head], [descriptor])
    connection.sendall(encoded)
    connection.sendall(payload)


def receive(
    connection: socket.socket, *, max_payload_bytes: int, within_s: float | None
) -> tuple[dict[str, Any], bytearray]:
    """Receive a message and its payload. Raises BrokenMessageError and TimeoutError."""
    deadline_s = None if within_s is None else time.monotonic() + within_s

    def read(count: int) -> bytearray:
        content = bytearray(count)
        view, done = memoryview(content), 0
        while done < count:
            if deadline_s is not None:
                connection.settimeout(max(deadline_s - time.monotonic(), _MIN_TIMEOUT_S))
            received = connection.recv_into(view[done:])
            if received == 0:
                raise BrokenMessageError("the peer has disconnected")
            done += received
        return content

    json_bytes, payload_bytes = _LENGTHS.unpack(read(_LENGTHS.size))
    if json_bytes > MAX_JSON_BYTES or payload_bytes > max_payload_bytes:
        raise BrokenMessageError(f"a message of {json_bytes} and {payload_bytes} bytes is too long")
    try:
        message = json.loads(read(json_bytes))
    except ValueError as error:
        raise BrokenMessageError("a message is not JSON") from error
    if not isinstance(message, dict):
        raise BrokenMessageError("a message is not a JSON object")
    return message, read(payload_bytes)


def receive_request(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Receive a request, which has no payload, and the descriptors of its files.

    Raises BrokenMessageError if the client has disconnected.
    """
    content, descriptors = bytearray(), []
    length = _LENGTHS.size
    while len(content) < length:
        part, received, _, _ = socket.recv_fds(connection, min(length - len(content), _PART_BYTES), 1)
        if not part:
            raise BrokenMessageError("the client has disconnected")
        content += part
        descriptors += received
        if len(content) == _LENGTHS.size == length:
            length += _LENGTHS.unpack(content)[0]
    request: dict[str, Any] = json.loads(content[_LENGTHS.size :])
    return request, descriptors


def encode(value: object) -> Any:  # noqa: ANN401  # JSON
    """Encode metadata as JSON that `decode` restores, including tuples, bytes and arrays."""
    match value:
        case dict():
            return {"dict": [[str(name), encode(item)] for name, item in value.items()]}
        case tuple():
            return {"tuple": [encode(item) for item in value]}
        case list():
            return {"list": [encode(item) for item in value]}
    return _encode_leaf(value)


def _encode_leaf(value: object) -> Any:  # noqa: ANN401  # JSON
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, np.ndarray):
        content = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": content, "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool):
        return value
    for plain in (str, int, float):
        if isinstance(value, plain):
            return plain(value)  # enumeration members too
    raise TypeError(f"metadata of type {type(value).__name__} cannot be encoded")


def decode(value: object) -> Any:  # noqa: ANN401  # see encode
    match value:
        case {"dict": list(items)}:
            return {name: decode(item) for name, item in items}
        case {"tuple": list(items)}:
            return tuple(decode(item) for item in items)
        case {"list": list(items)}:
            return [decode(item) for item in items]
        case {"bytes": str(content)}:
            return base64.b64decode(content)
        case {"array": str(content), "dtype": str(dtype), "shape": list(shape)}:
            return np.frombuffer(base64.b64decode(content), np.dtype(dtype)).reshape(shape)
        case dict() | list():
            raise BrokenMessageError("the encoded metadata of a message is invalid")
    return value
