"""Who gets through to the AWS emulator, as a table: service, access key, form of the signature, Origin and Host.

Each case is a write, sent as raw bytes. One that is let through must have changed something, one that is refused
nothing.
"""

import base64
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.contract.raw_http import Answer
from tests.local.emulation import Call, Emulation, StreamSigner, chunk_signatures, json_call, running_emulator

SERVICES = ("s3", "sqs", "dynamodb", "cognito-idp")
KEYS = ("the stack's", "test", "an account id", "unknown", "another secret", "with a token", "none")
ORIGINS = (None, "https://evil.example", "null", "its own")
HOSTS = (
    "127.0.0.1",
    "localhost",
    "a foreign name",
    "a foreign name with the port",
    "another port",
    "no port",
    "bucket",
)


@pytest.fixture(scope="module")
def emulation() -> Iterator[Emulation]:
    with running_emulator() as running:
        yield running


@dataclass(frozen=True)
class Case:
    service: str
    key: str
    form: str
    origin: str | None
    host: str

    def __str__(self) -> str:
        return f"{self.service}: key {self.key}, in the {self.form}, Origin {self.origin}, Host {self.host}"

    @property
    def status(self) -> int:
        """200, or how it must be refused."""
        if self.host not in ("127.0.0.1", "localhost"):
            return 421
        is_presigned = self.form == "query" and self.key != "none"
        if is_presigned and self.service != "s3":
            return 403
        if self.origin and not is_presigned:
            return 403
        return {"the stack's": 200, "with a token": 400}.get(self.key, 403)


def cases() -> Iterator[Case]:
    """Every service with every key, form and some Origins; every Host and Origin with the right key."""
    for service, key, form, origin in product(SERVICES, KEYS, ("header", "query"), ORIGINS[:2]):
        yield Case(service, key, form, origin, "127.0.0.1")
    for service, form, origin in product(SERVICES, ("header", "query"), ORIGINS[2:]):
        yield Case(service, "the stack's", form, origin, "127.0.0.1")
    for service, form, host in product(SERVICES, ("header", "query"), HOSTS[1:]):
        yield Case(service, "the stack's", form, None, host)
    for service, host in product(SERVICES, HOSTS[1:]):
        yield Case(service, "none", "header", None, host)


CASES = [*cases()]


def test_the_table_has_at_least_150_cases() -> None:
    assert len(set(CASES)) >= 150


@pytest.mark.parametrize("case", CASES, ids=str)
def test_only_the_stacks_own_key_gets_through_and_from_pages_only_presigned(emulation: Emulation, case: Case) -> None:
    before = emulation.observed(case.service)

    answer = sent(emulation, case)

    assert answer.status == case.status, answer
    assert (emulation.observed(case.service) != before) == (case.status == 200)
    if case.status != 200:
        assert_shape(answer, case.service)


def sent(emulation: Emulation, case: Case) -> Answer:
    call, host = emulation.write(case.service), named(emulation, case.host)
    origin = {None: [], "its own": [("Origin", emulation.url)]}.get(case.origin, [("Origin", str(case.origin))])
    if case.key == "none":
        request = AWSRequest(call.method, f"http://{host}{call.path}", call.headers, call.body)
    else:
        request = emulation.signed(call, key_of(emulation, case.key), query=case.form == "query", host=host)
    return emulation.send_signed(request, *origin, body=call.body)


def key_of(emulation: Emulation, kind: str) -> Credentials:
    ours = emulation.key
    return {
        "the stack's": ours,
        "test": Credentials("test", "test"),
        "an account id": Credentials("000000000000", "test"),
        "unknown": Credentials("AKIA0000000000000000", ours.secret_key),
        "another secret": Credentials(ours.access_key, "another"),
        "with a token": Credentials(ours.access_key, ours.secret_key, "token"),
    }[kind]


def named(emulation: Emulation, kind: str) -> str:
    port = emulation.port
    return {
        "127.0.0.1": f"127.0.0.1:{port}",
        "localhost": f"localhost:{port}",
        "a foreign name": "evil.example",
        "a foreign name with the port": f"evil.example:{port}",
        "another port": f"127.0.0.1:{port + 1}",
        "no port": "127.0.0.1",
        "bucket": f"{emulation.stack['bucket']}.localhost:{port}",
    }[kind]


def assert_shape(answer: Answer, service: str) -> None:
    """As the service itself reports errors."""
    if service == "s3":
        assert answer.body.startswith(b"<?xml")
        assert b"<Error><Code>" in answer.body
    else:
        assert set(answer.json()) == {"__type", "message"}


PATHS = [
    "/_ministack/reset",
    "/_ministack/config",
    "/_ministack/health",
    "/_ministack/sqs/messages",
    "/_ministack/ses/messages",
    "/_ministack/sns/sms-messages",
    "/_ministack/rds/iam-auth",
    "/_ministack/rds/ca.pem",
    "/_ministack/iot/ca.pem",
    "/_ministack/transfer/sftp-ports",
    "/_ministack/lambda-code/x",
    "/_ministack/lambda-layers/x/1",
    "/_ministack/ready/",
    "/_ministack/cfn-response/x",
    "/_ministack/cfn-signal/x",
    "/_ministack/eks-auth/x",
    "/_localstack/health",
    "/_localstack/init",
    "/_aws/execute-api/x/y/z",
    "/_aws/lambda-url/x/",
    "/_alb/x/",
    "/restapis/x/v1/_user_request_/",
    "/health",
    "/iceberg/v1/config",
    "/v2/",
    "/v2/email/identities",
    "/2015-03-31/functions",
    "/v20180820/bucket",
    "/graphql",
    "/logout",
    "/oauth2/userInfo",
    "/oauth2/login",
    "/oauth2/idpresponse",
    "/saml2/idpresponse",
    "/WriteGetObjectResponse",
    "/Execute",
    "/",
    "/bucket",
    "/bucket/key",
]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("path", PATHS)
def test_no_path_is_open_without_a_signature(emulation: Emulation, method: str, path: str) -> None:
    answer = emulation.send(method, path, [("Content-Type", "text/plain")], b"{}")

    assert answer.status == 403, answer


ELSEWHERE = [
    "lambda",
    "iam",
    "sts",
    "ssm",
    "secretsmanager",
    "ec2",
    "rds",
    "cloudformation",
    "execute-api",
    "apigateway",
    "events",
    "sns",
    "kms",
    "ses",
    "logs",
]


@pytest.mark.parametrize("service", ELSEWHERE)
@pytest.mark.parametrize("path", ["/", "/2015-03-31/functions"])
def test_the_right_key_opens_no_service_that_the_stack_does_not_use(
    emulation: Emulation, service: str, path: str
) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    call = Call(service, "POST", path, form, b"Action=CreateRole&RoleName=mallory&AssumeRolePolicyDocument={}")

    assert emulation.send_signed(emulation.signed(call, emulation.key)).status == 403


@pytest.mark.parametrize("path", [path for path in PATHS if not path.startswith("/bucket") and path != "/"])
def test_nor_does_it_in_the_name_of_s3(emulation: Emulation, path: str) -> None:
    call = Call("s3", "POST", path, {}, b"{}")

    assert emulation.send_signed(emulation.signed(call, emulation.key)).status in (400, 405)


@pytest.mark.parametrize(
    "target", ["AWSLambda.Invoke", "DynamoDBStreams_20120810.ListStreams", "secretsmanager.ListSecrets"]
)
@pytest.mark.parametrize("service", SERVICES)
def test_nor_by_the_target_of_another(emulation: Emulation, service: str, target: str) -> None:
    call = json_call(service, target, {})

    answer = emulation.send_signed(emulation.signed(call, emulation.key))

    assert answer.status in (400, 405), answer


STREAMS = {
    "hash": 200,
    "hash of another body": 400,
    "no hash": 403,
    "unsigned": 200,
    "chunks": 200,
    "a chunk changed": 403,
    "a chunk left out": 403,
    "the last chunk left out": 400,
    "bytes after the end": 400,
    "chunks without signatures": 400,
    "an unannounced trailer": 403,
    "chunks and a signed trailer": 200,
    "chunks and a changed trailer": 403,
    "chunks and a trailer without a signature": 403,
    "a line after the signature of the trailer": 403,
    "unsigned chunks": 200,
    "unsigned chunks and a checksum": 200,
    "unsigned chunks and a checksum that was not announced": 403,
    "unsigned chunks and a header as a trailer": 403,
    "another algorithm": 400,
}
SIGNED, SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@pytest.mark.parametrize(("form", "status"), STREAMS.items(), ids=STREAMS)
def test_a_body_is_what_was_signed_in_every_form(emulation: Emulation, form: str, status: int) -> None:
    before = emulation.observed("s3")

    answer = streamed(emulation, form)

    assert answer.status == status, answer
    assert (emulation.observed("s3") != before) == (status == 200)


CHECKSUM = b"x-amz-checksum-crc32:"
WHOLE = {
    "hash": "",
    "hash of another body": "",
    "no hash": "UNSIGNED-PAYLOAD",
    "unsigned": "UNSIGNED-PAYLOAD",
    "another algorithm": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
}
"""What x-amz-content-sha256 says of a body that comes in one piece; empty: its hash."""


def streamed(emulation: Emulation, form: str) -> Answer:
    call = emulation.write("s3")
    announced = {"x-amz-decoded-content-length": str(len(call.body)), "Content-Encoding": "aws-chunked"}
    if form.startswith("unsigned chunks"):
        return unsigned_chunks(emulation, call, form, announced)
    if form.startswith(("chunks and", "a line after")):
        return signed_trailer(emulation, call, form, announced)
    if form not in WHOLE:
        request = head_of(emulation, call, SIGNED, announced)
        return emulation.send_signed(request, body=signed_chunks(emulation, request, call.body, form))
    request = head_of(emulation, call, WHOLE[form], {}) if WHOLE[form] else emulation.signed(call, emulation.key)
    if form == "no hash":
        del request.headers["X-Amz-Content-SHA256"]
    return emulation.send_signed(request, body=call.body[::-1] if form == "hash of another body" else call.body)


def head_of(emulation: Emulation, call: Call, payload: str, headers: dict[str, str]) -> AWSRequest:
    request = AWSRequest(call.method, f"{emulation.url}{call.path}", headers)
    StreamSigner(emulation.key, payload).add_auth(request)
    return request


def signed_chunks(emulation: Emulation, request: AWSRequest, data: bytes, form: str) -> bytes:
    chunks = [data[:8], data[8:], b""]
    lines = [
        b"%x;chunk-signature=%s\r\n%s\r\n" % (len(chunk), value.encode(), chunk)
        for chunk, value in zip(chunks, chunk_signatures(request, emulation.key, chunks), strict=True)
    ]
    match form:
        case "a chunk changed":
            lines[1] = lines[1].replace(chunks[1], chunks[1][::-1])
        case "a chunk left out":
            del lines[1]
        case "the last chunk left out":
            del lines[2]
        case "bytes after the end":
            lines.append(b"more")
        case "chunks without signatures":
            lines = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
        case "an unannounced trailer":
            lines[2] = lines[2].removesuffix(b"\r\n") + CHECKSUM + b"AAAAAA==\r\n\r\n"
    return b"".join(lines)


def crc32(data: bytes) -> bytes:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big"))


def signed_trailer(emulation: Emulation, call: Call, form: str, announced: dict[str, str]) -> Answer:
    request = head_of(emulation, call, SIGNED_TRAILER, announced | {"x-amz-trailer": "x-amz-checksum-crc32"})
    chunks, trailer = [call.body, b""], CHECKSUM + crc32(call.body)
    first, last, of_trailer = chunk_signatures(request, emulation.key, chunks, trailer + b"\n")
    if form == "chunks and a changed trailer":
        trailer = CHECKSUM + crc32(b"another body")
    lines = [trailer, f"x-amz-trailer-signature:{of_trailer}".encode()]
    if form == "chunks and a trailer without a signature":
        del lines[1]
    if form == "a line after the signature of the trailer":
        lines.append(trailer)
    body = b"%x;chunk-signature=%s\r\n%s\r\n" % (len(call.body), first.encode(), call.body)
    body += b"0;chunk-signature=%s\r\n" % last.encode() + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    return emulation.send_signed(request, body=body)


def unsigned_chunks(emulation: Emulation, call: Call, form: str, announced: dict[str, str]) -> Answer:
    line = b""
    if "checksum" in form or "header" in form:
        line = CHECKSUM + crc32(call.body) + b"\r\n"
    if form == "unsigned chunks and a checksum":
        announced = announced | {"x-amz-trailer": "x-amz-checksum-crc32"}
    if form == "unsigned chunks and a header as a trailer":
        announced = announced | {"x-amz-trailer": "x-amz-meta-more"}
        line = b"x-amz-meta-more:1\r\n"
    request = head_of(emulation, call, UNSIGNED_TRAILER, announced)
    return emulation.send_signed(request, body=b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(call.body), call.body, line))
