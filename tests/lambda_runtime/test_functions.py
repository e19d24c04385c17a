"""Every function of the package starts, answers, reports its errors, and survives an event that it cannot take."""

import json
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
from pydicom.data import get_testdata_file

import app
from tests.lambda_runtime import events
from tests.lambda_runtime.conftest import DATABASE, Start
from tests.lambda_runtime.runtime import Function

pytestmark = pytest.mark.usefixtures("migrated")

HANDLERS = ["app", "record_storage_event", "inspect", "reconcile", "tidy", "purge", "migrate"]
NO_ANSWER = {name: events.scheduled(name) for name in ("reconcile", "tidy", "purge")} | {"migrate": {}}


def asked(function: Function, event: dict[str, Any]) -> tuple[int, Any]:
    """Status and body that the API function answers."""
    report = function.invoke(event)
    assert report.kind == "response", report
    return report.content["statusCode"], json.loads(report.content["body"])


def connections(url: str) -> int:
    connection = psycopg2.connect(url)
    cursor = connection.cursor()
    cursor.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'tagged-image-manager'",
        [DATABASE],
    )
    count: int = cursor.fetchone()[0]
    connection.close()
    return count


def test_these_are_the_functions_of_the_app() -> None:
    declared = [each.name for each in app.app.event_sources] + [each.name for each in app.app.pure_lambda_functions]

    assert sorted(HANDLERS) == sorted(["app", *declared])


@pytest.mark.parametrize("handler", NO_ANSWER)
def test_a_function_that_no_one_waits_for_runs_again_and_again(start: Start, handler: str) -> None:
    with start(handler) as function:
        reports = [function.invoke(NO_ANSWER[handler]) for _ in range(2)]

    assert [report.kind for report in reports] == ["response"] * 2


def test_an_image_is_registered_put_reported_and_found(start: Start) -> None:
    draft = {"filename": "chest.dcm", "size": 4, "content_type": "application/dicom", "tags": ["lambda"]}
    with start("app") as api, start("record_storage_event") as handler:
        status, upload = asked(api, events.http("POST", "/images", draft))
        put = httpx.put(upload["upload_url"], headers=upload["upload_headers"], content=b"DICM")
        key = httpx.URL(upload["upload_url"]).path.partition("/images/")[2]
        told = handler.invoke(events.stored(f"images/{key}"))
        _, found = asked(api, events.http("GET", "/search/images?exact_tags=lambda"))

    assert (status, put.status_code, told.kind) == (201, 200, "response")
    assert [(image["id"], image["status"]) for image in found["results"]] == [(upload["id"], "present")]
    assert httpx.get(found["results"][0]["url"]).content == b"DICM"


def test_files_are_inspected_with_the_libraries_of_the_layer(start: Start, libraries: Path) -> None:
    names = ["CT_small.dcm", "MR_small_jp2klossless.dcm", "SC_rgb_jpeg_gdcm.dcm"]
    with (
        start("app") as api,
        start("record_storage_event") as handler,
        start("inspect", PYTHONPATH=str(libraries), OPENBLAS_NUM_THREADS="1") as inspection,
    ):
        for name in names:
            path = Path(str(get_testdata_file(name, download=False)))
            _, upload = asked(api, events.http("POST", "/images", {"filename": name, "size": path.stat().st_size}))
            httpx.put(upload["upload_url"], headers=upload["upload_headers"], content=path.read_bytes())
            key = f"images/{httpx.URL(upload['upload_url']).path.partition('/images/')[2]}"
            handler.invoke(events.stored(key))
            told = inspection.invoke(events.queued({"object_key": key}))
            assert told.kind == "response", told
        _, found = asked(api, events.http("GET", "/search/images?attributes.Format=DICOM"))

    assert [image["filename"] for image in found["results"]] == names[::-1]
    for image in found["results"]:
        assert httpx.get(image["preview_url"]).headers["Content-Type"] == "image/webp"


def test_a_request_is_one_line_of_json_in_the_log(start: Start) -> None:
    with start("app") as api:
        asked(api, events.http("GET", "/images?limit=1"))
        asked(api, events.http("GET", "/images?limit=1"))

    (first, second) = [json.loads(line) for line in api.lines if line.startswith("{")]
    assert first["status"] == second["status"] == 200
    assert "access_record" not in first
    assert first["function_request_id"] != second["function_request_id"]


def test_a_storage_event_that_cannot_be_taken_is_reported_and_the_next_one_is_taken(start: Start) -> None:
    with start("record_storage_event") as function:
        bad = function.invoke(events.poisoned())
        good = function.invoke(events.stored("images/of-nobody"))

    assert (bad.kind, bad.content["errorType"]) == ("error", "RecordsFailedError")
    assert good.kind == "response"


@pytest.mark.parametrize("event", [{}, [], "text", {"requestContext": {}}, {"httpMethod": 7}])
def test_what_is_no_request_is_reported_and_the_next_request_is_answered(start: Start, event: Any) -> None:
    with start("app") as api:
        bad = api.invoke(event)
        status, _ = asked(api, events.http("GET", "/tags"))

    assert bad.kind == "error" or bad.content["statusCode"] == 500
    assert status == 200


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_function_that_is_not_set_up_says_so_before_it_takes_an_event(start: Start, handler: str) -> None:
    with start(handler, IMAGE_BUCKET="") as function:
        report = function.report()

    assert report.kind == "init/error"
    assert report.content["errorType"] == "SettingsError"
    assert "IMAGE_BUCKET" in report.content["errorMessage"]


def test_a_database_that_is_away_is_a_503_and_no_end_of_the_function(start: Start) -> None:
    with start("app", DATABASE_URL="postgresql+psycopg2://nobody@127.0.0.1:1/none") as api:
        answers = [asked(api, events.http("GET", "/images"))[0] for _ in range(2)]

    assert answers == [503, 503]


def test_a_snapshot_holds_no_connection_and_a_restored_process_makes_its_own(start: Start, database: str) -> None:
    before = connections(database)
    with start("app", AWS_LAMBDA_INITIALIZATION_TYPE="snap-start") as api:
        assert api.report().kind == "restore/next"
        in_the_snapshot = connections(database)
        api.api.restore.set()
        status, _ = asked(api, events.http("GET", "/images"))
        restored = connections(database)

    assert (status, in_the_snapshot - before, restored - before) == (200, 0, 1)
