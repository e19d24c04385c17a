"""Plays answers of AWS to boto3: they leave as the bytes that AWS would send, and botocore parses them.

An answer that does not fit the shape which AWS publishes for the operation is refused, so that none is invented.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import boto3
from botocore.awsrequest import AWSResponse
from botocore.validate import ParamValidator
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model

from infrastructure.account.calls import Calls

Operation = tuple[str, str]


class Refusal(NamedTuple):
    code: str
    status: int = 400
    message: str = "refused"


Answer = dict[str, Any] | Refusal | Callable[[dict[str, Any]], dict[str, Any] | Refusal]


class Player:
    """Plays the answers of one account after the other; to make clients takes much longer than to play."""

    def __init__(self, region: str) -> None:
        session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "secret", region_name=region)
        session.events.register("before-parameter-build.*.*", self._remember)
        session.events.register("before-send.*.*", self._play)
        self.calls = Calls(session)
        self.of({})

    def of(self, answers: Mapping[Operation, Answer]) -> Calls:
        """Returns the calls, of which none was played yet; the account gives these answers from now on."""
        self._answers = answers
        self.played = list[Operation]()
        self.rest_methods = set[str]()
        """Of HTTP, where the method says what is done."""
        return self.calls

    def _remember(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self._operation = (str(model.service_model.service_name), str(model.name))
        self._parameters = params
        self.played.append(self._operation)

    def _play(self, request: Any, **_: Any) -> AWSResponse:
        if self._operation[0] in ("apigateway", "lambda", "s3"):
            self.rest_methods.add(request.method)
        answer = self._answers[self._operation]
        if callable(answer):
            answer = answer(self._parameters)
        status, headers, body = _wire(*self._operation, answer)
        return AWSResponse(request.url, status, headers, _Raw(body))


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self._body

    def read(self, *_: Any) -> bytes:
        return self._body


def _wire(service: str, operation: str, answer: dict[str, Any] | Refusal) -> tuple[int, dict[str, str], bytes]:
    model = get_service_model(service)
    if isinstance(answer, Refusal):
        return answer.status, {"x-amzn-requestid": "1"}, _refused(model.resolved_protocol, service, operation, answer)
    shape = model.operation_model(operation).output_shape
    report = ParamValidator().validate(answer, shape) if shape else None
    assert report is None or not report.has_errors(), f"{operation}: {report.generate_report()}"
    made = get_serializer_class(service, model.resolved_protocol)(model.operation_model(operation)).serialize(answer)
    body = made["body"]
    return made["status_code"], dict(made["headers"]), body if isinstance(body, bytes) else str(body).encode()


def _refused(protocol: str, service: str, operation: str, refusal: Refusal) -> bytes:
    code, message = refusal.code, refusal.message
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    if operation == "HeadBucket":
        return b""  # its status says it all
    if service == "s3":
        return error.encode()
    if protocol == "ec2":
        return f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>".encode()
    if protocol == "query":
        return f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>".encode()
    return json.dumps({"__type": code, "code": code, "message": message}).encode()
