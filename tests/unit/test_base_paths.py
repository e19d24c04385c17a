"""What precedes the resource in the path of a request, whatever stage or custom domain it came through."""

from typing import Any

from chalice.app import Request
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.routes.answers import url_for
from chalicelib.routes.request import base_path

SEGMENT = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="-_.~%+"), min_size=1)
BASES = st.lists(SEGMENT, max_size=4).map(lambda segments: "".join(f"/{segment}" for segment in segments))
RESOURCES = [
    "/images",
    "/tags/{tag_id}",
    "/images/{image_id}/tags/{name}",
    "/search/images",
    "/images/{image_id}/upload",
]


def request(base: str, resource: str, values: list[str], end: str) -> Request:
    path = resource.format(**dict(zip(("tag_id", "image_id", "name"), values, strict=True)))
    context = {"path": f"{base}{path}{end}", "resourcePath": resource, "httpMethod": "GET", "domainName": "example.org"}
    given_: dict[str, Any] = {"headers": {}, "body": None, "stageVariables": None, "requestContext": context}
    return Request(given_ | {"pathParameters": None, "multiValueQueryStringParameters": None})


@given(
    base=BASES,
    resource=st.sampled_from(RESOURCES),
    values=st.lists(SEGMENT, min_size=3, max_size=3),
    end=st.sampled_from(["", "/"]),
)
def test_it_is_all_that_precedes_the_resource(base: str, resource: str, values: list[str], end: str) -> None:
    made = request(base, resource, values, end)

    assert base_path(made) == base
    assert url_for(made, "/images/7") == f"https://example.org{base}/images/7"
