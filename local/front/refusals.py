"""What the front refuses, and the answer in the form of the service that was asked."""

import json
from xml.sax.saxutils import escape

Answer = tuple[int, str, bytes]
"""Status, content type, body."""


class RefusedCall(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def answer(refusal: RefusedCall, target: str, content_type: str) -> Answer:
    """`target` and `content_type` are the headers X-Amz-Target and Content-Type of the request."""
    if target or "json" in content_type:
        content = {"__type": refusal.code, "message": refusal.message}
        return refusal.status, "application/x-amz-json-1.1", json.dumps(content).encode()
    error = f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
    if "form" in content_type:
        error = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"
    else:
        error = f"<Error>{error}</Error>"
    return refusal.status, "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'.encode()
