"""The whole function, called with events as API Gateway sends them: paths are percent-encoded as the client sent them,
and a custom domain replaces the stage in front of them by a base path of its own, or by nothing."""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.builders import an_image
from tests.conftest import LambdaContext

EVENT: dict[str, Any] = json.loads(Path(__file__).with_name("api_gateway").joinpath("tag_of_an_image.json").read_text())

TEMPLATE = "/images/{image_id}/tags/{name}"

Call = Callable[..., dict[str, Any]]


def event(method: str, resource: str, base: str = "/v1", query: Any = None, **parameters: str) -> dict[str, Any]:
    """As for a request below `base`; the parameters as they stand in the path."""
    made, path = copy.deepcopy(EVENT), resource.format(**parameters)
    sent = path if base == "/v1" else base + path  # which holds the base path of a custom domain, but not the stage
    made |= {"resource": resource, "path": sent, "httpMethod": method, "pathParameters": parameters or None}
    made |= {"multiValueQueryStringParameters": query}
    made["requestContext"] |= {"resourcePath": resource, "httpMethod": method, "path": base + path}
    return made


@pytest.fixture
def call(database: str, committed: Engine) -> Call:
    """The function; its answer's body is parsed."""
    for module in [name for name in sys.modules if name == "app" or name.startswith("chalicelib.routes")]:
        del sys.modules[module]
    from app import app  # noqa: PLC0415 (its settings exist only now)

    def call(*arguments: Any, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = app(event(*arguments, **parameters), LambdaContext())
        return answer | {"body": json.loads(answer["body"] or "null")}

    return call


@pytest.fixture
def image_id(committed: Engine) -> str:
    with Session(committed) as session, session.begin():
        return str(an_image(session).id)


def tags_of(call: Call, image_id: str) -> list[str]:
    return [tag["name"] for tag in call("GET", "/images/{image_id}", image_id=image_id)["body"]["tags"]]


def test_the_event_is_the_one_of_the_file() -> None:
    assert event("PUT", TEMPLATE, image_id="7", name="left%20knee") == EVENT


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("left%20knee", "left knee"),
        ("a%2Fb", "a/b"),
        ("100%25", "100%"),
        ("%252F", "%2F"),
        ("%2525", "%25"),
        ("a+b", "a+b"),
        ("%2B", "+"),
        ("%c3%bc", "ü"),
        ("%F0%9F%A9%BB", "🩻"),
        ("%41", "A"),
    ],
)
def test_a_name_in_the_path_is_decoded_exactly_once(call: Call, image_id: str, sent: str, name: str) -> None:
    assert call("PUT", TEMPLATE, image_id=image_id, name=sent)["statusCode"] == 204
    assert tags_of(call, image_id) == [name]

    assert call("DELETE", TEMPLATE, image_id=image_id, name=sent)["statusCode"] == 204
    assert tags_of(call, image_id) == []


@pytest.mark.parametrize("sent", ["100%", "%", "%2", "%zz", "%u00fc", "%ff", "%C3", "a%c3%28", "%ED%A0%80"])
def test_a_name_that_is_not_percent_encoded_utf_8_is_refused(call: Call, image_id: str, sent: str) -> None:
    for method in ("PUT", "DELETE"):
        answer = call(method, TEMPLATE, image_id=image_id, name=sent)

        assert answer["statusCode"] == 400
        assert [error["field"] for error in answer["body"]["errors"]] == ["name"]
    assert tags_of(call, image_id) == []


def test_an_id_may_be_percent_encoded_like_any_other_part_of_a_path(
    call: Call, image_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    encoded = "".join(f"%{ord(digit):02x}" for digit in image_id)

    answer = call("GET", "/images/{image_id}", image_id=encoded)

    (line,) = [vars(record) for record in caplog.records]
    assert (answer["statusCode"], answer["body"]["id"]) == (200, int(image_id))
    assert (line["path"], line["image_ids"]) == (f"/v1/images/{image_id}", [int(image_id)])


@pytest.mark.parametrize("sent", ["%", "1%", "%ff", "%31%2f", "%c2%b2", "%EF%BC%91"])
def test_what_is_no_id_is_refused_and_not_logged(call: Call, caplog: pytest.LogCaptureFixture, sent: str) -> None:
    answer = call("GET", "/images/{image_id}", image_id=sent)

    (line,) = [vars(record) for record in caplog.records]
    assert answer["statusCode"] == 400
    assert [error["field"] for error in answer["body"]["errors"]] == ["image_id"]
    assert (line["path"], line["image_ids"]) == ("/v1/images/{image_id}", [])


@pytest.mark.parametrize("base", ["", "/v1", "/prod-api", "/prod-api/v1", "/a/b/c"])
def test_below_any_base_path_pages_are_linked_and_new_things_located(
    call: Call, committed: Engine, caplog: pytest.LogCaptureFixture, base: str
) -> None:
    with Session(committed) as session, session.begin():
        wanted = [an_image(session, ["left knee"]).id for _ in range(3)]
    tag_id = str(call("GET", "/tags", base)["body"]["results"][0]["id"])
    paths: dict[str, dict[str, str]] = {"/images": {}, "/tags/{tag_id}/images": {"tag_id": tag_id}}
    for resource, parameters in paths.items():
        first = call("GET", resource, base, {"limit": ["2"]}, **parameters)
        link = first["headers"]["Link"].removeprefix("<").removesuffix('>; rel="next"')
        query = {name: [value] for name, value in (pair.split("=") for pair in urlsplit(link).query.split("&"))}
        second = call("GET", resource, base, query, **parameters)

        host = EVENT["requestContext"]["domainName"]
        assert link.partition("?")[0] == f"https://{host}{base}{resource.format(**parameters)}"
        shown = [image["id"] for page in (first, second) for image in page["body"]["results"]]
        assert shown == sorted(wanted, reverse=True)
    assert all(vars(record)["path"].startswith(f"{base}/") for record in caplog.records)


@pytest.mark.parametrize("base", ["", "/v1", "/prod-api/v1"])
def test_below_any_base_path_a_new_image_is_located_where_it_can_be_got(call: Call, base: str) -> None:
    made = event("POST", "/images", base) | {"body": json.dumps({"filename": quote("a b.dcm"), "size": 4})}
    from app import app  # noqa: PLC0415

    answer = app(made, LambdaContext())

    image_id = json.loads(answer["body"])["id"]
    host = EVENT["requestContext"]["domainName"]
    assert answer["headers"]["Location"] == f"https://{host}{base}/images/{image_id}"
