"""The dev template, deployed to the emulator: roles, scopes, gateway and events do what they say.

Which claims the emulator cannot bear out, and what bears them out instead, stands in `emulated.DROPPED`.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
from botocore.exceptions import ClientError

from infrastructure import invoke_again as again
from infrastructure import resources
from tests.conftest import ROOT, eventually
from tests.guides.snippets import blocks, run_in, shows
from tests.infrastructure import emulated, test_template
from tests.infrastructure.emulated import Cloud
from tests.infrastructure.template import Template

FUNCTIONS = ["app", "record_storage_event", "inspect", "reconcile", "tidy", "purge", "migrate"]
DATA = b"\xff\xd8\xff\xd9"


@pytest.fixture(scope="module")
def database(stack: dict[str, Any]) -> str:
    return emulated.new_database(stack, "emulated")


@pytest.fixture(scope="module")
def cloud(dev: Template, assembly: Callable[[str], Path], database: str) -> Iterator[Cloud]:
    with emulated.running() as (url, credentials):
        made = Cloud(url, credentials)
        made.deploy(emulated.adapted(dev.content, database), assembly("dev"))
        yield made


@pytest.fixture(scope="module")
def migrated(cloud: Cloud, dev: Template) -> None:
    answer = cloud.client("lambda").invoke(FunctionName=cloud.physical(dev.function_id("migrate")), Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> str:
    return cloud.api


@pytest.fixture(scope="module")
def token(cloud: Cloud) -> Callable[[str], str]:
    """Of the machine client with least permission, with this scope."""
    return cloud.token


@pytest.mark.parametrize("scope", resources.SCOPES)
@pytest.mark.parametrize("permission", resources.MACHINE_SCOPES)
def test_a_deployed_machine_client_gets_only_the_scopes_of_its_permission(
    cloud: Cloud, permission: str, scope: str
) -> None:
    machine = cloud.machine(permission)
    form = {"grant_type": "client_credentials", "scope": f"tagged-image-manager/{scope}"}

    answer = httpx.post(f"{cloud.url}/oauth2/token", data=form, auth=(machine["client_id"], machine["client_secret"]))

    permitted = ["read", "write", "admin"].index(scope) <= ["read", "write", "admin"].index(permission)
    assert answer.status_code == (200 if permitted else 400)


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
    headers = {"Authorization": f"Bearer {token('admin')}"}  # the image is of another caller
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


PASSWORD = "Only-for-this-test-1"


@pytest.fixture(scope="module")
def person(cloud: Cloud) -> str:
    """The name of a viewer in the deployed pool."""
    cognito, pool, name = cloud.client("cognito-idp"), cloud.outputs["UserPoolId"], "viewer"
    cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=PASSWORD, Permanent=True)
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=name, GroupName="viewers")
    return name


@pytest.mark.usefixtures("migrated", "person")
@pytest.mark.parametrize("language", ["python", "javascript"])
def test_the_sign_in_of_the_guide_works_with_the_deployed_client(
    cloud: Cloud, dev: Template, api: str, language: str
) -> None:
    """SRP in Python, the hosted page in JavaScript. (By what this emulator's event does not say, the service fails over
    every POST.)"""
    browser = cloud.outputs["BrowserClientId"]
    (callback,) = dev.resources[client_of_browsers(dev)]["Properties"]["CallbackURLs"]
    environment = {
        "POOL": cloud.url,
        "POOL_ID": cloud.outputs["UserPoolId"],
        "CLIENT_ID": browser,
        "CALLBACK": callback,
        "PASSWORD": PASSWORD,
    }
    guide = (ROOT / "design-docs" / "guides" / "authenticating.md").read_text().replace("http://127.0.0.1:8000/v1", api)
    shown = guide.replace("http://127.0.0.1:8000/", callback)
    of_language = [block for block in blocks(shown) if block.language == language and "requests.post" not in block.text]

    assert len(of_language) >= 2
    for block, printed in run_in(of_language, environment):
        assert block.output is not None
        assert shows(block.output, printed), printed


def client_of_browsers(template: Template) -> str:
    clients = template.of_type("AWS::Cognito::UserPoolClient").items()
    (name,) = [name for name, one in clients if not one["GenerateSecret"]]
    return name


def test_the_deployed_client_refuses_a_password_that_is_sent(cloud: Cloud, person: str) -> None:
    with pytest.raises(ClientError, match="USER_PASSWORD_AUTH flow not enabled"):
        cloud.client("cognito-idp").initiate_auth(
            ClientId=cloud.outputs["BrowserClientId"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": person, "PASSWORD": PASSWORD},
        )


def test_the_deployed_client_is_set_up_as_the_template_says(cloud: Cloud, dev: Template) -> None:
    """So that what is tried with it is tried with the one that AWS would make."""
    template = dev.resources[client_of_browsers(dev)]["Properties"]
    described = cloud.client("cognito-idp").describe_user_pool_client(
        UserPoolId=cloud.outputs["UserPoolId"], ClientId=cloud.outputs["BrowserClientId"]
    )["UserPoolClient"]

    assert sorted(template["ExplicitAuthFlows"]) == ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"]
    for name in ("ExplicitAuthFlows", "AllowedOAuthFlows", "CallbackURLs", "SupportedIdentityProviders"):
        assert sorted(described[name]) == sorted(template[name]), name
    assert "ClientSecret" not in described


def dead_letters(cloud: Cloud) -> str:
    return cloud.outputs["DeadLettersRecordStorageEvent"]


def send(cloud: Cloud, event: dict[str, Any]) -> None:
    cloud.client("sqs").send_message(QueueUrl=dead_letters(cloud), MessageBody=json.dumps(event))


def invoke_again(cloud: Cloud, function: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | cloud.environment
    command = [sys.executable, "-m", "infrastructure.invoke_again", "--stage", "dev", "--function", function]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def vanished(cloud: Cloud, migrated: None, database: str) -> tuple[int, str]:
    """The id and key of an image that counts as present and has no file in the bucket, so that S3 sends no event."""
    key = f"images/2026-11-24/{uuid.uuid4()}"
    connection = psycopg2.connect(database)
    cursor = connection.cursor()
    cursor.execute(
        "INSERT INTO images (created_by, filename, content_type, size, object_key, status, metadata, attributes,"
        " uploaded_at) VALUES ('ann', 'a.dcm', 'application/dicom', 4, %s, 'present', '{}', '{}', now()) RETURNING id",
        (key,),
    )
    image_id: int = cursor.fetchone()[0]
    connection.commit()
    connection.close()
    cloud.client("sqs").purge_queue(QueueUrl=dead_letters(cloud))  # of what other tests have left
    return image_id, key


def removed(cloud: Cloud, key: str) -> dict[str, Any]:
    """The part of S3's event that is read on the way."""
    described = {"bucket": {"name": cloud.outputs["ImageBucket"]}, "object": {"key": key, "sequencer": "00AA"}}
    return {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete", "s3": described}]}


def test_a_dead_letter_is_gone_once_the_function_has_accepted_it(
    cloud: Cloud, vanished: tuple[int, str], database: str
) -> None:
    image_id, key = vanished
    send(cloud, removed(cloud, key))
    assert status_of(database, image_id) == "present"

    done = invoke_again(cloud, "record_storage_event")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 dead letters, of which 0 failed again."
    assert status_of(database, image_id) == "missing"
    assert messages_in(cloud) == 0


def test_a_dead_letter_that_fails_again_stays_and_does_not_keep_others_waiting(
    cloud: Cloud, vanished: tuple[int, str], database: str
) -> None:
    image_id, key = vanished
    for event in ({"Records": [{"eventName": "nonsense"}]}, removed(cloud, key)):
        send(cloud, event)

    done = invoke_again(cloud, "record_storage_event")

    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == "2 dead letters, of which 1 failed again."
    assert status_of(database, image_id) == "missing"
    assert messages_in(cloud) == 1


@pytest.fixture
def failing(cloud: Cloud, migrated: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[again.Place]:
    """A function with a dead letter that fails whenever it is tried."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    send(cloud, {"Records": [{"eventName": "nonsense"}]})
    yield again.find("dev", "record_storage_event")
    cloud.client("sqs").purge_queue(QueueUrl=dead_letters(cloud))


def test_a_run_ends_with_the_first_dead_letter_that_comes_again(
    failing: again.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that failed when the function took all the time that messages are hidden for."""
    monkeypatch.setattr(again, "HIDDEN_SECONDS", 0)

    assert len(list(islice(again.invoke_again(failing), 3))) == 1


def test_a_run_that_is_broken_off_leaves_what_failed_for_the_next(cloud: Cloud, failing: again.Place) -> None:
    run = again.invoke_again(failing)
    _, error = next(run)
    assert (error is None, messages_in(cloud)) == (False, 0)

    run.close()

    assert messages_in(cloud) == 1


def test_a_function_that_a_queue_feeds_is_not_invoked_again(cloud: Cloud) -> None:
    done = invoke_again(cloud, "inspect")

    assert done.returncode == 1
    assert "inspect has no dead letters to invoke it with" in done.stderr


def status_of(database: str, image_id: int) -> str:
    connection = psycopg2.connect(database)
    cursor = connection.cursor()
    cursor.execute("SELECT status FROM images WHERE id = %s", (image_id,))
    status: str = cursor.fetchone()[0]
    connection.close()
    return status


def messages_in(cloud: Cloud) -> int:
    attributes = cloud.client("sqs").get_queue_attributes(
        QueueUrl=dead_letters(cloud), AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


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
