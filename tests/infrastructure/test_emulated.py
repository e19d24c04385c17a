"""The dev template, deployed to the emulator: roles, scopes, gateway and events do what they say.

Which claims the emulator cannot bear out, and what bears them out instead, stands in `emulated.DROPPED`.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
from botocore.exceptions import ClientError

from local import emulator
from local.state import free_port, random_credentials
from local.tokens import machine_token
from tests.conftest import eventually
from tests.infrastructure import emulated, test_template
from tests.infrastructure.emulated import Cloud
from tests.infrastructure.template import Template

FUNCTIONS = ["app", "record_storage_event", "inspect", "reconcile", "tidy", "purge", "migrate"]
DATA = b"\xff\xd8\xff\xd9"


@pytest.fixture(scope="module")
def database(stack: dict[str, Any]) -> str:
    connection = psycopg2.connect(stack["database_url"])
    connection.autocommit = True
    connection.cursor().execute("CREATE DATABASE emulated")
    connection.close()
    return f"{stack['database_url'].rpartition('/')[0]}/emulated"


@pytest.fixture(scope="module")
def cloud(dev: Template, assembly: Callable[[str], Path], database: str) -> Iterator[Cloud]:
    with tempfile.TemporaryDirectory() as directory:
        home, credentials = Path(directory), random_credentials()
        log = home / "emulator.log"
        running = emulator.start(home, free_port(None), log, credentials, services=emulated.SERVICES)
        try:
            running.wait_until_ready()
            made = Cloud(running.url, credentials)
            url = database.replace("postgresql://", "postgresql+psycopg2://")
            made.deploy(emulated.adapted(dev.content, url), assembly("dev"))
            yield made
        finally:
            running.stop()


@pytest.fixture(scope="module")
def migrated(cloud: Cloud, dev: Template) -> None:
    answer = cloud.client("lambda").invoke(FunctionName=cloud.physical(dev.function_id("migrate")), Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> str:
    """Where the emulator has the API."""
    api_id = cloud.outputs["ApiUrl"].removeprefix("https://").partition(".")[0]
    return f"{cloud.url}/restapis/{api_id}/v1/_user_request_"


@pytest.fixture(scope="module")
def token(cloud: Cloud) -> Callable[[str], str]:
    """A machine's, with this scope."""
    pool, client = cloud.outputs["UserPoolId"], cloud.outputs["MachineClientId"]
    described = cloud.client("cognito-idp").describe_user_pool_client(UserPoolId=pool, ClientId=client)
    machine = {
        "token_url": f"{cloud.url}/oauth2/token",
        "machine_client_id": client,
        "machine_client_secret": described["UserPoolClient"]["ClientSecret"],
    }
    return lambda scope: machine_token(machine, [f"tagged-image-manager/{scope}"])


def deeds(cloud: Cloud, dev: Template) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """What might be done: the service, the operation, and on what."""
    bucket, table = cloud.outputs["ImageBucket"], cloud.physical(next(iter(dev.of_type("AWS::DynamoDB::Table"))))
    item = {"request_id": {"S": "r"}, "part": {"N": "0"}}
    queue = cloud.physical(next(key for key in dev.of_type("AWS::SQS::Queue") if key.startswith("RecordStorage")))
    inspections = cloud.physical(next(key for key in dev.of_type("AWS::SQS::Queue") if key.startswith("Inspections")))
    one = {"TableName": table, "Key": item}
    change = {"UpdateExpression": "SET user_id = :user", "ExpressionAttributeValues": {":user": {"S": "mallory"}}}
    by_user = {
        "TableName": table,
        "IndexName": "by_user",
        "KeyConditionExpression": "user_key = :user",
        "ExpressionAttributeValues": {":user": {"S": "ann"}},
    }
    image, preview, elsewhere = (
        {"Bucket": bucket, "Key": f"{place}/x"} for place in ("images", "previews", "elsewhere")
    )
    return {
        "put an image": ("s3", "put_object", {**image, "Body": b"x"}),
        "get an image": ("s3", "get_object", image),
        "list images": ("s3", "list_objects_v2", {"Bucket": bucket}),
        "delete an image": ("s3", "delete_object", image),
        "put a preview": ("s3", "put_object", {**preview, "Body": b"x"}),
        "get a preview": ("s3", "get_object", preview),
        "put something else": ("s3", "put_object", {**elsewhere, "Body": b"x"}),
        "open the bucket": ("s3", "delete_bucket_policy", {"Bucket": bucket}),
        "record an access": ("dynamodb", "put_item", {"TableName": table, "Item": item}),
        "record an access of many": (
            "dynamodb",
            "transact_write_items",
            {"TransactItems": [{"Put": {"TableName": table, "Item": item}}]},
        ),
        "find an access": ("dynamodb", "query", by_user),
        "read all accesses": ("dynamodb", "scan", {"TableName": table}),
        "delete an access": ("dynamodb", "delete_item", one),
        "delete an access in a batch": (
            "dynamodb",
            "batch_write_item",
            {"RequestItems": {table: [{"DeleteRequest": {"Key": item}}]}},
        ),
        "delete an access in a transaction": ("dynamodb", "transact_write_items", {"TransactItems": [{"Delete": one}]}),
        "change an access": ("dynamodb", "update_item", {**one, **change}),
        "change an access in a transaction": (
            "dynamodb",
            "transact_write_items",
            {"TransactItems": [{"Update": {**one, **change}}]},
        ),
        "list users": ("cognito-idp", "list_users", {"UserPoolId": cloud.outputs["UserPoolId"]}),
        "list functions": ("lambda", "list_functions", {}),
        "ask for an inspection": ("sqs", "send_message", {"QueueUrl": inspections, "MessageBody": "{}"}),
        "take an inspection": ("sqs", "receive_message", {"QueueUrl": inspections, "WaitTimeSeconds": 0}),
        "leave a dead letter": ("sqs", "send_message", {"QueueUrl": queue, "MessageBody": "{}"}),
        "read secrets": ("secretsmanager", "list_secrets", {}),
        "make a user": ("iam", "create_user", {"UserName": "mallory"}),
    }


PERMITTED = {
    "app": {
        *("put an image", "get an image", "get a preview", "list images"),
        *("record an access", "record an access of many", "find an access"),
    },
    "record_storage_event": {"get an image", "list images", "leave a dead letter", "ask for an inspection"},
    "inspect": {"get an image", "list images", "put a preview", "take an inspection"},
    "reconcile": {"get an image", "list images", "ask for an inspection"},
    "tidy": set(),
    "purge": {"get an image", "list images", "delete an image"},
    "migrate": set(),
}


def outcome(operation: Callable[..., Any], arguments: dict[str, Any]) -> str | None:
    """None, or the code of the refusal."""
    try:
        operation(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_role_is_let_do_what_its_function_needs_and_refused_all_else(cloud: Cloud, dev: Template, name: str) -> None:
    for key in ("images/x", "previews/x"):
        cloud.client("s3").put_object(Bucket=cloud.outputs["ImageBucket"], Key=key, Body=DATA)
    session = cloud.role_of(cloud.physical(dev.function_id(name)))
    outcomes = {
        deed: outcome(getattr(cloud.client(service, session), operation), arguments)
        for deed, (service, operation, arguments) in deeds(cloud, dev).items()
    }

    assert {deed for deed, code in outcomes.items() if code is None} == PERMITTED[name]
    assert {code for code in outcomes.values() if code} <= {"AccessDenied", "AccessDeniedException"}


@pytest.fixture
def registered(migrated: None, database: str) -> int:
    """An image that waits for its four bytes. (To register one, the service names itself, by what this emulator's event
    does not say.)"""
    connection = psycopg2.connect(database)
    cursor = connection.cursor()
    cursor.execute(
        "INSERT INTO images (created_by, filename, content_type, size, object_key, status, metadata, attributes) VALUES"
        " ('ann', 'a.dcm', 'application/dicom', 4, 'images/2026-11-24/emulated', 'pending', '{}', '{}') RETURNING id"
    )
    image_id: int = cursor.fetchone()[0]
    connection.commit()
    connection.close()
    return image_id


def test_a_put_by_presigned_url_wakes_the_handlers_and_the_image_is_there_and_inspected(
    api: str, token: Callable[[str], str], registered: int
) -> None:
    headers = {"Authorization": f"Bearer {token('write')}"}
    upload = httpx.post(f"{api}/images/{registered}/upload", json={}, headers=headers, timeout=30).json()

    put = httpx.put(upload["upload_url"], headers=upload["upload_headers"], content=DATA)

    def present() -> Any:
        image = httpx.get(f"{api}/images/{registered}", headers=headers, timeout=30).json()
        return image if image["attributes"] else None

    assert put.status_code == 200, put.text
    image = eventually(present, within=60, of="the storage event and the inspection")
    assert (image["status"], image["attributes"]["Format"]) == ("present", "JPEG")
    assert httpx.get(image["url"]).content == DATA


@pytest.mark.usefixtures("migrated")
def test_every_request_leaves_its_access_record(
    cloud: Cloud, dev: Template, api: str, token: Callable[[str], str]
) -> None:
    answer = httpx.get(f"{api}/tags", headers={"Authorization": f"Bearer {token('read')}"}, timeout=30)

    table = cloud.physical(next(iter(dev.of_type("AWS::DynamoDB::Table"))))
    items = cloud.client("dynamodb").scan(TableName=table)["Items"]
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] in {item["request_id"]["S"] for item in items}


def test_no_route_takes_a_request_without_a_token_or_with_a_forged_one(api: str, dev: Template) -> None:
    for route in test_template.routes(dev):
        method, _, path = route.partition(" ")
        if method == "OPTIONS":
            continue
        for headers in ({}, {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}):
            answer = httpx.request(method, api + path.format(image_id=1, tag_id=1, name="x"), headers=headers)
            assert answer.status_code == 401, route


def test_an_id_token_is_not_an_access_token(cloud: Cloud, api: str) -> None:
    cognito, pool = cloud.client("cognito-idp"), cloud.outputs["UserPoolId"]
    flows = {"ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]}
    client = cognito.create_user_pool_client(UserPoolId=pool, ClientName="test", **flows)["UserPoolClient"]["ClientId"]
    password = "Only-for-this-test-1"
    cognito.admin_create_user(UserPoolId=pool, Username="ann", MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username="ann", Password=password, Permanent=True)
    signed_in = cognito.initiate_auth(
        ClientId=client,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ann", "PASSWORD": password},
    )["AuthenticationResult"]

    def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(f"{api}/images?unknown=1", headers=headers, timeout=30).status_code

    assert (status(signed_in["AccessToken"]), status(signed_in["IdToken"])) == (400, 401)


def test_what_the_gateway_answers_itself_is_a_problem_like_every_other(api: str) -> None:
    for answer, status in ((httpx.get(f"{api}/images"), 401), (httpx.get(f"{api}/nothing"), 404)):
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (status, status)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"
        assert set(problem) == {"type", "title", "status", "detail", "request_id"}
        assert answer.headers["x-request-id"] == problem["request_id"]
        assert ("www-authenticate" in answer.headers) == (status == 401)


def test_what_the_emulator_drops_is_claimed_of_the_template() -> None:
    assert [name for name in emulated.DROPPED.values() if not hasattr(test_template, name)] == []
