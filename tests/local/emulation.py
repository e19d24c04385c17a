"""The AWS emulator alone, provisioned as `make serve` does it, and requests to it signed in every way."""

import hashlib
import hmac
import json
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local import emulator, provisioning
from local.state import USERS, free_port, random_credentials
from tests.conftest import aws_client
from tests.contract import raw_http
from tests.contract.raw_http import Answer, Headers

KEY = "kept"
CONTENT = b"the content that must not change"
PASSWORDS = {name: f"Secret-{name}-1" for name in USERS}
CALLBACK = "http://127.0.0.1:8000/"


@dataclass(frozen=True)
class Call:
    """A request before it is signed."""

    service: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    query: dict[str, str] = field(default_factory=dict)


@dataclass
class Emulation:
    stack: dict[str, Any]
    directory: Path

    @property
    def url(self) -> str:
        return str(self.stack["aws_endpoint_url"])

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def key(self) -> Credentials:
        return Credentials(self.stack["aws_access_key_id"], self.stack["aws_secret_access_key"])

    def client(self, service: str) -> Any:
        return aws_client(self.stack, service)

    def send(self, method: str, target: str, headers: Headers | None = None, body: bytes = b"") -> Answer:
        """Exactly these bytes; Host and Content-Length are added unless they are there."""
        return raw_http.ask(self.url, method, target, headers or [], body)

    def signed(self, call: Call, key: Credentials, *, query: bool = False, host: str | None = None) -> AWSRequest:
        """By the SDK's own signers, for the host to which it is sent."""
        url = f"http://{host or self.host}{call.path}"
        request = AWSRequest(call.method, url, dict(call.headers), b"" if query else call.body, dict(call.query))
        is_s3 = call.service == "s3"
        if query:
            UrlSigner(key, call.service, "UNSIGNED-PAYLOAD" if is_s3 else _hash(call.body)).add_auth(request)
        else:
            (auth.S3SigV4Auth if is_s3 else auth.SigV4Auth)(key, call.service, emulator.REGION).add_auth(request)
        return request

    def send_signed(self, request: AWSRequest, *more: tuple[str, str], body: bytes | None = None) -> Answer:
        prepared = request.prepare()
        address = urlsplit(prepared.url)
        host = [("Host", address.netloc)] if not any(name.lower() == "host" for name, _ in more) else []
        headers = [(name, _text(value)) for name, value in prepared.headers.items() if name.lower() != "content-length"]
        target = address.path + ("?" + address.query if address.query else "")
        content = (prepared.body or b"") if body is None else body
        return self.send(prepared.method, target, [*host, *headers, *more], content)

    def observed(self, service: str) -> Any:
        """What the write of this service changes."""
        match service:
            case "s3":
                return self.client("s3").get_object(Bucket=self.stack["bucket"], Key=KEY)["Body"].read()
            case "sqs":
                names = ["ApproximateNumberOfMessages"]
                queue = self.stack["inspection_queue"]
                return self.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
            case "dynamodb":
                return self.client("dynamodb").scan(TableName=self.stack["access_log_table"])["Count"]
            case _:
                pool = self.stack["user_pool_id"]
                user = self.client("cognito-idp").admin_get_user(UserPoolId=pool, Username="viewer")
                return sorted(user["UserAttributes"], key=str)

    def write(self, service: str) -> Call:
        """A call that changes what is observed, each time anew."""
        new = secrets.token_hex(8)
        match service:
            case "s3":
                return Call("s3", "PUT", f"/{self.stack['bucket']}/{KEY}", {}, new.encode())
            case "sqs":
                content: dict[str, Any] = {"QueueUrl": self.stack["inspection_queue"], "MessageBody": new}
                return json_call("sqs", "AmazonSQS.SendMessage", content)
            case "dynamodb":
                item = {"request_id": {"S": new}, "part": {"N": "0"}}
                content = {"TableName": self.stack["access_log_table"], "Item": item}
                return json_call("dynamodb", "DynamoDB_20120810.PutItem", content)
            case _:
                attributes = [{"Name": "nickname", "Value": new}]
                content = {"UserPoolId": self.stack["user_pool_id"], "Username": "viewer", "UserAttributes": attributes}
                return cognito_call("AdminUpdateUserAttributes", content)


def json_call(service: str, target: str, content: Any) -> Call:
    kind = "application/x-amz-json-1.1" if service == "cognito-idp" else "application/x-amz-json-1.0"
    return Call(service, "POST", "/", {"X-Amz-Target": target, "Content-Type": kind}, json.dumps(content).encode())


def cognito_call(operation: str, content: Any) -> Call:
    return json_call("cognito-idp", f"AWSCognitoIdentityProviderService.{operation}", content)


@contextmanager
def running_emulator() -> Iterator[Emulation]:
    """Provisioned, with one file in the bucket."""
    with tempfile.TemporaryDirectory(prefix="emulator-") as name:
        directory, credentials = Path(name), random_credentials()
        running = emulator.start(directory, free_port(None), directory / "emulator.log", credentials)
        try:
            clients = provisioning.Clients(running.url, credentials)
            running.wait_until_ready()
            stack = provisioning.provision(clients, running.url, PASSWORDS, CALLBACK) | credentials
            clients.s3.put_object(Bucket=stack["bucket"], Key=KEY, Body=CONTENT)
            clients.close()
            yield Emulation(stack, directory)
        finally:
            running.stop()


class UrlSigner(auth.S3SigV4QueryAuth):  # type: ignore[misc]
    """Signs a URL for a body that is sent later."""

    def __init__(self, key: Credentials, service: str, payload: str) -> None:
        super().__init__(key, service, emulator.REGION, expires=60)
        self._payload = payload

    def payload(self, _: AWSRequest) -> str:
        return self._payload


class StreamSigner(auth.S3SigV4Auth):  # type: ignore[misc]
    """Signs a head whose body follows in chunks."""

    def __init__(self, key: Credentials, payload: str) -> None:
        super().__init__(key, "s3", emulator.REGION)
        self._payload = payload

    def payload(self, _: AWSRequest) -> str:
        return self._payload


def chunk_signatures(request: AWSRequest, key: Credentials, chunks: list[bytes], trailer: bytes = b"") -> list[str]:
    """One for each chunk and, if there is one, for the trailer."""
    moment = request.headers["X-Amz-Date"]
    scope = f"{moment[:8]}/{emulator.REGION}/s3/aws4_request"
    signing_key = b"AWS4" + key.secret_key.encode()
    for part in scope.split("/"):
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    last, made = request.headers["Authorization"].rpartition("Signature=")[2], []
    texts = [("PAYLOAD", [_hash(b""), _hash(chunk)]) for chunk in chunks]
    for kind, hashes in [*texts, *([("TRAILER", [_hash(trailer)])] if trailer else [])]:
        text = "\n".join([f"AWS4-HMAC-SHA256-{kind}", moment, scope, last, *hashes])
        last = hmac.digest(signing_key, text.encode(), "sha256").hex()
        made.append(last)
    return made


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
