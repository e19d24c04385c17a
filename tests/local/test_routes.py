"""Which resource and parameters the gateway finds in a path."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.api import Api


def _route(path: str, method: str = "GET", **other: Any) -> dict[str, Any]:
    return {"path": path, "method": method, "scopes": ["read"], "cors": {"Access-Control-Allow-Origin": "*"}} | other


API = Api(
    {
        "binary_types": [],
        "routes": [
            _route("/images/{image_id}"),
            _route("/images/{image_id}", "DELETE"),
            _route("/images/latest", cors=None),
            _route("/images/{image_id}/tags/{name}", "PUT"),
            _route("/images"),
        ],
    }
)

segments = st.text(min_size=1)


@given(image_id=segments, name=segments)
def test_parameters_stay_percent_encoded_as_api_gateway_passes_them_on(image_id: str, name: str) -> None:
    image_id, name = quote(image_id, safe=""), quote(name, safe="+%")

    match = API.find(f"/v1/images/{image_id}/tags/{name}")

    assert match is not None
    assert match.resource.path == "/images/{image_id}/tags/{name}"
    assert match.parameters == {"image_id": image_id, "name": name}


@given(st.text())
def test_no_path_at_all_breaks_the_matching(path: str) -> None:
    API.find("/" + path)


def test_static_segments_go_before_parameters() -> None:
    match = API.find("/v1/images/latest")

    assert match is not None
    assert match.resource.path == "/images/latest"
    assert match.parameters == {}


@pytest.mark.parametrize("path", ["/v1/images", "/v1/images/"])
def test_one_slash_at_the_end_is_let_pass(path: str) -> None:
    match = API.find(path)

    assert match is not None
    assert match.resource.path == "/images"


@pytest.mark.parametrize(
    "path", ["/", "", "/v1", "/v1/", "/v2/images", "/images", "/v1/images//", "/v1/images//tags/x", "/v1/images/7/tags"]
)
def test_other_paths_name_nothing(path: str) -> None:
    assert API.find(path) is None


def test_the_methods_of_a_path_and_options_are_what_a_preflight_allows() -> None:
    match = API.find("/v1/images/7")

    assert match is not None
    assert match.resource.cors["Access-Control-Allow-Methods"] == "DELETE,GET,OPTIONS"


def test_a_path_without_cors_takes_no_options() -> None:
    match = API.find("/v1/images/latest")

    assert match is not None
    assert match.resource.cors == {}
