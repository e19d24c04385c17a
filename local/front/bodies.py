"""Bodies on their way from the client to the emulator, and from the front to the client."""

from collections.abc import Awaitable, Callable
from typing import Any

from local.front.head import Head
from local.front.payloads import Payload
from local.front.refusals import Answer, RefusedCall

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
LARGEST_CALL, LARGEST_OPEN = 20_000_000, 1_000_000
"""The most bytes in the body of a signed call that is not to S3, and of a request without a signature. Both are read
into memory."""


class Body:
    """What the client sends, and whether all of it has come."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._ended = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        while not self._ended:
            await self()


async def whole(receive: Receive, most: int) -> bytes:
    """Reads a body of at most so many bytes. Raises RefusedCall for a larger one."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            largest = f"{most // 1_000_000} MB"
            raise RefusedCall(413, "RequestEntityTooLarge", f"The body of this request may have at most {largest}.")
    return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, and then what comes after it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


def watched(payload: Payload, receive: Receive) -> Receive:
    """Gives each piece on once it is checked; the last one raises RefusedCall when the whole is not what was signed."""

    async def next_message() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            payload.feed(message.get("body", b""))
            if not message.get("more_body", False):
                payload.finish()
        return message

    return next_message


async def give(answer: Answer, head: Head, send: Send, more: dict[str, str] | None = None) -> None:
    """Sends an answer of the front itself, with more headers."""
    status, kind, body = answer
    headers = {"content-type": kind, "content-length": str(len(body)), **(more or {})}
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": b"" if head.method == "HEAD" else body})
