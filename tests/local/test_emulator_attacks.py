"""What any page and any local user could do to the AWS emulator with a well-known access key, or with none."""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

import pytest
from botocore.credentials import Credentials

from local import emulator, tokens
from tests.contract.raw_http import Answer, Headers
from tests.local.emulation import CONTENT, KEY, PASSWORDS, Call, Emulation, cognito_call, json_call, running_emulator

TEST = Credentials("test", "test")
PAGE = ("Origin", "https://evil.example")
TEXT = [("Content-Type", "text/plain")]
"""With which a page sends a body without asking first."""


@pytest.fixture(scope="module")
def emulation() -> Iterator[Emulation]:
    with running_emulator() as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_has_happened(emulation: Emulation) -> Iterator[None]:
    """The file, the table, the queues and the passwords are as they were."""
    before = whole_state(emulation)
    yield
    assert whole_state(emulation) == before


def whole_state(emulation: Emulation) -> list[Any]:
    s3, stack = emulation.client("s3"), emulation.stack
    versions = s3.list_object_versions(Bucket=stack["bucket"])["Versions"]
    return [
        s3.get_object(Bucket=stack["bucket"], Key=KEY)["Body"].read(),
        [(one["Key"], one["VersionId"], one["IsLatest"]) for one in versions],
        [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]],
        emulation.client("dynamodb").list_tables()["TableNames"],
        *(emulation.observed(service) for service in ("dynamodb", "sqs", "cognito-idp")),
        sorted(emulation.client("sqs").list_queues()["QueueUrls"]),
        len(tokens.password_token(signing_in(emulation), "viewer")) > 100,
    ]


def signing_in(emulation: Emulation) -> dict[str, Any]:
    return emulation.stack | {"users": {name: {"password": word} for name, word in PASSWORDS.items()}}


def query_call(service: str, **parameters: str) -> Call:
    """As services take it that do not speak JSON."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return Call(service, "POST", "/", form, urlencode(parameters).encode())


def program() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("evil.py", "def handler(event, context):\n    return open('/etc/passwd').read()\n")
    return buffer.getvalue()


def presigned(emulation: Emulation, method: str, key: str = KEY, **query: str) -> str:
    """The target of a URL that the service gives out."""
    call = Call("s3", method, f"/{emulation.stack['bucket']}/{key}", {}, query=query)
    return str(emulation.signed(call, emulation.key, query=True).prepare().url).removeprefix(emulation.url)


def test_a_role_and_a_function_cannot_be_made_with_the_well_known_key(emulation: Emulation) -> None:
    role = query_call("iam", Action="CreateRole", RoleName="evil", AssumeRolePolicyDocument="{}", Version="2010-05-08")
    function = {"FunctionName": "evil", "Runtime": "python3.13", "Handler": "evil.handler"}
    function |= {"Role": "arn:aws:iam::000000000000:role/evil"}
    code = Call("lambda", "POST", "/2015-03-31/functions", {}, json.dumps(function).encode())

    for key in (TEST, emulation.key):
        for call in (role, code):
            assert emulation.send_signed(emulation.signed(call, key)).status == 403


def test_nothing_is_reset_without_credentials(emulation: Emulation) -> None:
    for more in ([], [PAGE], TEXT):
        assert emulation.send("POST", "/_ministack/reset", more).status == 403


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/login", [PAGE]),
        ("POST", "/oauth2/token", [PAGE]),
        ("GET", "/_ministack/ready", []),
        ("OPTIONS", "/login", [PAGE, ("Access-Control-Request-Method", "POST")]),
        ("POST", "/", [("X-Amz-Target", "AWSCognitoIdentityProviderService.InitiateAuth"), PAGE]),
    ],
)
def test_a_large_body_without_a_signature_is_not_kept_in_memory(
    emulation: Emulation, method: str, path: str, more: Headers
) -> None:
    assert emulation.send(method, path, more, b"x" * 1_000_001).status == 413


def test_a_body_is_not_read_for_a_key_that_is_not_the_stacks(emulation: Emulation) -> None:
    request = emulation.signed(emulation.write("sqs"), TEST)

    answer = emulation.send_signed(request, body=b"x" * 20_000_001)

    assert (answer.status, answer.json()["__type"]) == (403, "InvalidAccessKeyId")


def test_the_queues_cannot_be_read_by_the_administration_path(emulation: Emulation) -> None:
    for more in ([], [PAGE]):
        assert emulation.send("GET", "/_ministack/sqs/messages", more).status == 403


@pytest.mark.parametrize("origin", [[], [PAGE]], ids=["no page", "a page"])
@pytest.mark.parametrize(
    "key_id", ["test", "000000000000", "123456789012", "the stack's"], ids=lambda key_id: f"key {key_id}"
)
def test_a_bogus_signature_in_the_header_opens_nothing(emulation: Emulation, key_id: str, origin: Headers) -> None:
    key_id = emulation.key.access_key if key_id == "the stack's" else key_id
    bucket = f"/{emulation.stack['bucket']}"
    password = cognito_call("AdminSetUserPassword", new_password(emulation))

    def bogus(service: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{moment[:8]}/{emulator.REGION}/{service}/aws4_request"
        names = "host;x-amz-content-sha256;x-amz-date;x-amz-target"
        signature = f"Credential={key_id}/{scope}, SignedHeaders={names}, Signature={'0' * 64}"
        signed = {"Authorization": f"AWS4-HMAC-SHA256 {signature}", "X-Amz-Date": moment} | headers
        return emulation.send(method, path, [*signed.items(), *origin], body)

    hashed = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    for method, path in (("GET", bucket), ("GET", f"{bucket}/{KEY}"), ("PUT", f"{bucket}/{KEY}"),
                         ("DELETE", f"{bucket}/{KEY}"), ("DELETE", bucket), ("GET", "/")):  # fmt: skip
        answer = bogus("s3", method, path, hashed, b"evil" if method == "PUT" else b"")
        assert answer.status == 403
        assert CONTENT not in answer.body
    assert bogus("cognito-idp", "POST", "/", password.headers, password.body).status == 403


def new_password(emulation: Emulation) -> dict[str, Any]:
    chosen = {"UserPoolId": emulation.stack["user_pool_id"], "Username": "viewer", "Permanent": True}
    return chosen | {"Password": "Chosen-by-evil-1"}


@pytest.mark.parametrize("key", [TEST, Credentials("000000000000", "test")], ids=["test", "an account id"])
def test_a_page_cannot_sign_in_the_query_with_a_well_known_key(emulation: Emulation, key: Credentials) -> None:
    """Text, and the signature in the query: the browser sends that without asking first."""
    message = {"QueueUrl": emulation.stack["inspection_queue"], "MessageBody": "evil"}
    calls = [
        Call("s3", "PUT", f"/{emulation.stack['bucket']}/{KEY}", {}, b"evil"),
        Call("s3", "GET", f"/{emulation.stack['bucket']}", {}),
        query_call("sqs", Action="SendMessage", **message),
        query_call("iam", Action="CreateUser", UserName="evil"),
        json_call("sqs", "AmazonSQS.SendMessage", message),
        cognito_call("AdminSetUserPassword", new_password(emulation)),
    ]

    for call in calls:
        request = emulation.signed(call, key, query=True)
        for more in ([PAGE, *TEXT], TEXT):
            assert emulation.send_signed(request, *more, body=call.body).status == 403


def test_a_form_cannot_post_a_file_with_a_policy(emulation: Emulation) -> None:
    """S3 takes a signature in the fields of a form too."""
    fields = {"key": KEY, "x-amz-credential": "test/20261127/eu-central-1/s3/aws4_request", "x-amz-signature": "0" * 64}
    parts = "".join(f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    body = f'{parts}--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nevil\r\n--x--\r\n'.encode()

    answer = emulation.send(
        "POST", f"/{emulation.stack['bucket']}", [("Content-Type", "multipart/form-data; boundary=x"), PAGE], body
    )

    assert answer.status == 403


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("NEW_PASSWORD_REQUIRED", {"NEW_PASSWORD": "Chosen-by-evil-1"}),
        ("MFA_SETUP", {}),
        ("SOFTWARE_TOKEN_MFA", {"SOFTWARE_TOKEN_MFA_CODE": "123456"}),
        ("CUSTOM_CHALLENGE", {"ANSWER": "x"}),
    ],
)
def test_a_challenge_that_nobody_set_gives_no_token_and_sets_no_password(
    emulation: Emulation, name: str, more: dict[str, str]
) -> None:
    """The emulator would give a token to whoever knows a client's id and a user's name."""
    content = {"ClientId": emulation.stack["client_id"], "ChallengeName": name, "Session": "x"}
    call = cognito_call("RespondToAuthChallenge", content | {"ChallengeResponses": {"USERNAME": "admin", **more}})

    answer = emulation.send("POST", "/", [*call.headers.items()], call.body)

    assert (answer.status, answer.json()["__type"]) == (400, "InvalidParameterException")


@pytest.mark.parametrize(
    "operation",
    [
        "SignUp",
        "ConfirmSignUp",
        "ForgotPassword",
        "ConfirmForgotPassword",
        "ChangePassword",
        "GetUser",
        "DeleteUser",
        "UpdateUserAttributes",
        "AdminSetUserPassword",
        "AdminInitiateAuth",
        "AdminCreateUser",
        "AdminAddUserToGroup",
        "ListUsers",
        "ListUserPools",
        "DescribeUserPoolClient",
        "CreateUserPoolClient",
    ],
)
def test_of_cognito_only_sign_in_is_open(emulation: Emulation, operation: str) -> None:
    call = cognito_call(operation, new_password(emulation) | {"ClientId": emulation.stack["client_id"]})

    for more in ([], [PAGE]):
        assert emulation.send("POST", "/", [*call.headers.items(), *more], call.body).status == 403


@pytest.mark.parametrize("flow", ["CUSTOM_AUTH", "USER_AUTH", "ADMIN_NO_SRP_AUTH", "", None])
def test_no_other_flow_of_sign_in_is_open(emulation: Emulation, flow: str | None) -> None:
    content = {"AuthFlow": flow, "ClientId": emulation.stack["client_id"], "AuthParameters": {"USERNAME": "admin"}}
    call = cognito_call("InitiateAuth", content)

    assert emulation.send("POST", "/", [*call.headers.items()], call.body).status == 400


@pytest.mark.parametrize(
    "header",
    [
        ("x-amz-acl", "public-read"),
        ("x-amz-meta-note", "unsigned"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-copy-source", "/tagged-image-manager-images/kept"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-website-redirect-location", "https://evil.example/"),
        ("x-amz-security-token", "x"),
        ("x-amz-target", "AWSLambda.ListFunctions"),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ],
    ids=lambda header: header[0],
)
def test_a_header_of_amazon_that_the_url_does_not_sign_is_refused(
    emulation: Emulation, header: tuple[str, str]
) -> None:
    target = presigned(emulation, "PUT")

    answer = emulation.send("PUT", target, [header], b"evil")

    assert answer.status in (400, 403)


def test_a_trailer_cannot_bring_a_header_that_the_url_does_not_sign(emulation: Emulation) -> None:
    """The emulator takes the trailer of a body for headers, such as one that copies another file."""
    copied = f"x-amz-copy-source:/{emulation.stack['bucket']}/{KEY}".encode()

    answer = emulation.send(
        "PUT", presigned(emulation, "PUT", "mine"), [("Content-Encoding", "aws-chunked")],
        b"0\r\n" + copied + b"\r\n\r\n",
    )  # fmt: skip

    assert answer.status == 400


def test_a_form_in_the_body_of_a_presigned_url_calls_no_other_service(emulation: Emulation) -> None:
    """The emulator would look for the service in it, and take the signer for the caller."""
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    body = urlencode({"Action": "DeleteQueue", "QueueUrl": emulation.stack["inspection_queue"]}).encode()

    answer = emulation.send("GET", presigned(emulation, "GET"), form, body)

    assert (answer.status, answer.body) == (200, CONTENT)


def test_an_authorization_beside_a_presignature_is_refused_as_s3_does(emulation: Emulation) -> None:
    for value in ("Bearer x", "AWS4-HMAC-SHA256 Credential=test/20261127/eu-central-1/s3/aws4_request"):
        answer = emulation.send("GET", presigned(emulation, "GET"), [("Authorization", value)])

        assert answer.status == 400
        assert b"<Code>InvalidArgument</Code><Message>Only one auth mechanism allowed" in answer.body


@pytest.mark.parametrize(
    "name",
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"],
)
def test_half_a_presignature_opens_nothing(emulation: Emulation, name: str) -> None:
    path, _, query = presigned(emulation, "GET").partition("?")
    parts = [part for part in query.split("&") if not part.startswith(name + "=")]

    for rest in (parts, [*parts, f"{name}="]):
        answer = emulation.send("GET", f"{path}?{'&'.join(rest)}", [PAGE])
        assert 400 <= answer.status < 500
        assert CONTENT not in answer.body


@pytest.mark.parametrize("name", ["X-Amz-Credential", "x-amz-credential", "X-Amz-Expires", "x-amz-signature"])
def test_a_parameter_of_the_signature_may_stand_only_once(emulation: Emulation, name: str) -> None:
    target = f"{presigned(emulation, 'GET')}&{name}=test/20261127/eu-central-1/s3/aws4_request"

    assert emulation.send("GET", target).status in (400, 403)


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24 * 365])
def test_a_signature_is_good_for_a_quarter_of_an_hour(emulation: Emulation, minutes: int) -> None:
    with patch("botocore.auth.get_current_datetime", return_value=datetime.now(UTC) + timedelta(minutes=minutes)):
        requests = [emulation.signed(emulation.write(name), emulation.key) for name in ("s3", "sqs", "dynamodb")]

    for request in requests:
        assert emulation.send_signed(request).status == 403


def test_two_hosts_and_none_are_refused(emulation: Emulation) -> None:
    ours = ("Host", emulation.host)

    for hosts in ([ours, ours], [ours, ("Host", "evil.example")], [("Host", "")]):
        assert emulation.send("GET", presigned(emulation, "GET"), hosts).status in (400, 421)


@pytest.mark.parametrize(
    ("target", "asked"), [("/_ministack/reset", "POST"), (f"/tagged-image-manager-images/{KEY}", "PUT"), ("/x", "GET")]
)
def test_a_browser_that_asks_first_is_refused_for_what_pages_may_not_do(
    emulation: Emulation, target: str, asked: str
) -> None:
    answer = emulation.send("OPTIONS", target, [PAGE, ("Access-Control-Request-Method", asked)])

    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_may_use_a_presigned_url_and_read_why_it_was_refused(emulation: Emulation) -> None:
    target = presigned(emulation, "GET")
    asked = emulation.send("OPTIONS", target, [PAGE, ("Access-Control-Request-Method", "GET")])
    got = emulation.send("GET", target, [PAGE])
    refused = emulation.send("GET", target[:-4] + "0000", [PAGE])

    assert (asked.status, got.status, got.body, refused.status) == (200, 200, CONTENT, 403)
    for answer in (asked, got, refused):
        assert answer.headers["access-control-allow-origin"] in ("*", PAGE[1])


def test_a_page_may_sign_in_and_fetch_the_public_keys(emulation: Emulation) -> None:
    stack = emulation.stack
    parameters = {"USERNAME": "viewer", "PASSWORD": PASSWORDS["viewer"]}
    content = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": stack["client_id"], "AuthParameters": parameters}
    call = cognito_call("InitiateAuth", content)
    wrong = cognito_call("InitiateAuth", content | {"AuthParameters": parameters | {"PASSWORD": "another"}})

    for sent, status in ((call, 200), (wrong, 400)):
        answer = emulation.send("POST", "/", [*sent.headers.items(), PAGE], sent.body)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "*")
    keys = emulation.send("GET", f"/{stack['user_pool_id']}/.well-known/jwks.json", [PAGE])
    assert (keys.status, bool(keys.json()["keys"])) == (200, True)


def test_its_files_are_for_their_owner_only(emulation: Emulation) -> None:
    files = [path for name in ("state", "objects", "tmp") for path in (emulation.directory / name).rglob("*")]

    assert len(files) > 1
    assert [path for path in files if path.stat().st_mode & 0o077] == []
