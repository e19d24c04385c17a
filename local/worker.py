"""Plays the Lambda runtime: one process, one invocation at a time.

Over its socket go frames of four bytes of length and the rest. It first sends the description of the API, as a
deployment would know it; then each frame it gets is an event, and each it sends is one letter and the answer:
`R` and the response as Lambda would give it, or `E` and what went wrong.
"""

import json
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from typing import Any

from infrastructure.resources import GATEWAY_TIMEOUT_SECONDS, LAMBDA_PAYLOAD_BYTES
from local import invocation

RESPONSE, ERROR = b"R", b"E"
LENGTH = struct.Struct(">I")

Handler = Callable[[Any, Any], Any]


def main(descriptor: int) -> None:
    invocation.keep_lines_whole()
    with socket.socket(fileno=descriptor) as gateway:
        try:
            app = _app()
        except BaseException as error:  # noqa: BLE001  whatever keeps the service from starting, the gateway has to tell
            traceback.print_exc()
            _send(gateway, ERROR + f"{type(error).__name__}: {error}".encode())
            sys.exit(1)
        _send(gateway, RESPONSE + json.dumps(describe(app)).encode())
        while (event := _receive(gateway)) is not None:
            _send(gateway, answer(app, event))


def _app() -> Any:
    from app import app  # noqa: PLC0415  it may fail, and that has to be reported

    return app


def describe(app: Any) -> dict[str, Any]:
    routes = [
        _described(path, method, route) for path, methods in app.routes.items() for method, route in methods.items()
    ]
    return {"routes": routes, "binary_types": list(app.api.binary_types)}


def _described(path: str, method: str, route: Any) -> dict[str, Any]:
    return {
        "path": path,
        "method": method,
        "scopes": list(route.authorizer.scopes) if route.authorizer else None,
        "cors": route.cors.get_access_control_headers() if route.cors else None,
    }


def answer(handler: Handler, event: bytes | bytearray) -> bytes:
    try:
        answered = handler(json.loads(event), invocation.context(GATEWAY_TIMEOUT_SECONDS))
        response = json.dumps(answered, ensure_ascii=False).encode()
    except Exception as error:  # noqa: BLE001  Lambda, too, reports any failure and goes on to the next event
        traceback.print_exc()
        return ERROR + f"{type(error).__name__}: {error}".encode()
    if len(response) > LAMBDA_PAYLOAD_BYTES:
        return ERROR + f"The response of {len(response)} bytes is more than Lambda takes.".encode()
    return RESPONSE + response


def _send(gateway: socket.socket, content: bytes) -> None:
    gateway.sendall(LENGTH.pack(len(content)) + content)


def _receive(gateway: socket.socket) -> bytearray | None:
    """None when the gateway has gone."""
    head = _exactly(gateway, LENGTH.size)
    return _exactly(gateway, LENGTH.unpack(head)[0]) if head else None


def _exactly(gateway: socket.socket, size: int) -> bytearray | None:
    content = bytearray(size)
    rest = memoryview(content)
    while rest:
        count = gateway.recv_into(rest)
        if not count:
            return None
        rest = rest[count:]
    return content


if __name__ == "__main__":
    main(int(sys.argv[1]))
