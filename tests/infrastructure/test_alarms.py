"""The alarms watch metrics that exist, cover what the guide promises, and are in the guide as they are."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import telemetry
from infrastructure import alarm_table, resources
from tests.conftest import ROOT
from tests.infrastructure.template import Template

OURS = resources.FUNCTION_ENVIRONMENT["POWERTOOLS_METRICS_NAMESPACE"]
DOCUMENTED: dict[str, Any] = json.loads((Path(__file__).parent / "documented_metrics.json").read_text())
"""Metrics and sets of dimensions of the AWS services that we use, by namespace and kind. Each has the address of AWS's
page, and where and when its text was read: AWS's own public copy of the page, of 2023 or before. A metric that is newer
is added with its page."""

Alarm = dict[str, Any]


def by_name(template: Template) -> dict[str, Alarm]:
    return {
        alarm["AlarmName"].rpartition("-")[2]: alarm for alarm in template.of_type("AWS::CloudWatch::Alarm").values()
    }


def metrics_of_the_dashboard(template: Template) -> Iterator[tuple[str, str, frozenset[str]]]:
    body = template.one("AWS::CloudWatch::Dashboard")["DashboardBody"]
    text = "".join(part if isinstance(part, str) else "reference" for part in body["Fn::Join"][1])
    for widget in json.loads(text)["widgets"]:
        for namespace, name, *rest in widget["properties"]["metrics"]:
            yield namespace, name, frozenset(part for part in rest[::2] if isinstance(part, str))


def metrics_of_the_alarms(template: Template) -> Iterator[tuple[str, str, frozenset[str]]]:
    for alarm in by_name(template).values():
        yield alarm["Namespace"], alarm["MetricName"], frozenset(one["Name"] for one in alarm.get("Dimensions", []))


def is_documented(namespace: str, name: str, dimensions: frozenset[str]) -> bool:
    return any(
        kind.partition(" ")[0] == namespace
        and name in documented["metrics"]
        and dimensions in map(frozenset, documented["dimensions"])
        for kind, documented in DOCUMENTED.items()
    )


def test_alarms_and_dashboard_watch_only_metrics_that_aws_documents(prod: Template) -> None:
    watched = {*metrics_of_the_alarms(prod), *metrics_of_the_dashboard(prod)}
    of_aws = [metric for metric in watched if metric[0] != OURS]

    assert len(of_aws) >= 15
    assert [metric for metric in of_aws if not is_documented(*metric)] == []


def test_every_documented_metric_has_the_page_that_documents_it() -> None:
    for kind, documented in DOCUMENTED.items():
        assert documented["source"].startswith("https://docs.aws.amazon.com/"), kind
        assert re.match(r"\d{4}-\d\d-\d\d, awsdocs/", documented["read"]), kind


@pytest.mark.parametrize("name", ["DatabaseProcessor", "DatabaseBusy"])
def test_the_database_is_watched_where_it_works_and_not_in_the_mean_with_idle_readers(
    prod: Template, name: str
) -> None:
    dimensions = {one["Name"]: one["Value"] for one in by_name(prod)[name]["Dimensions"]}

    assert dimensions["Role"] == "WRITER"


def test_connections_of_the_proxy_are_added_up_over_its_machines(prod: Template) -> None:
    """Each machine of a proxy reports its own, once a minute."""
    alarm = by_name(prod)["Connections"]

    assert (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == ("Sum", 60, 15)


def test_the_metrics_of_our_own_that_are_watched_are_counted(prod: Template) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    filters = [one["MetricTransformations"][0] for one in prod.of_type("AWS::Logs::MetricFilter").values()]
    of_logs = {one["MetricName"] for one in filters if one["MetricNamespace"] == OURS}
    watched = {name for namespace, name, _ in metrics_of_the_alarms(prod) if namespace == OURS}

    assert len(watched) >= 6
    assert [name for name in watched - of_logs if f'count("{name}"' not in sources] == []


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_our_metrics_are_watched_for_this_stage_alone(stage: str, template_of: Callable[[str], Template]) -> None:
    template = template_of(stage)
    ours = [alarm for alarm in by_name(template).values() if alarm["Namespace"] == OURS]

    assert len(ours) >= 8
    for alarm in ours:
        dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
        assert dimensions == {"service": "tagged-image-manager", "stage": stage}, alarm["AlarmName"]
    assert {one["Environment"]["Variables"]["STAGE"] for one in template.functions().values()} == {stage}


def test_a_metric_says_of_which_stage_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGE", "staging")
    telemetry.count("FilesUnverified")
    monkeypatch.delenv("STAGE")
    telemetry.count("FilesUnverified")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["service"], line["stage"]) for line in lines] == [
        ("tagged-image-manager", "staging"),
        ("tagged-image-manager", "local"),
    ]
    for line in lines:
        ((dimensions,),) = [one["Dimensions"] for one in line["_aws"]["CloudWatchMetrics"]]
        assert set(dimensions) == {"service", "stage"}


def test_every_function_that_nobody_waits_for_and_the_api_have_an_alarm_on_errors(prod: Template) -> None:
    watched = {
        alarm["Dimensions"][0]["Value"]["Ref"]: alarm
        for alarm in by_name(prod).values()
        if (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Errors")
    }

    assert set(watched) == {prod.function_id(name) for name in prod.functions() if name != "migrate"} | {
        prod.function_id("app")
    }
    for alarm in watched.values():
        assert (alarm["Threshold"], alarm["Period"], alarm["EvaluationPeriods"]) == (0, 300, 3)
        assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Sum", "GreaterThanThreshold")


def test_every_schedule_has_an_alarm_on_runs_that_are_missing(prod: Template) -> None:
    rules = prod.of_type("AWS::Events::Rule").values()
    minutes = [int(re.findall(r"rate\((\d+) minute", rule["ScheduleExpression"])[0]) for rule in rules]
    missing = [alarm for alarm in by_name(prod).values() if alarm["ComparisonOperator"] == "LessThanThreshold"]

    scheduled = {rule["Targets"][0]["Arn"]["Ref"] for rule in rules}
    assert {alarm["Dimensions"][0]["Value"]["Ref"] for alarm in missing} == {
        prod.function_id(name) for name in prod.functions() if prod.alias_of(name) in scheduled
    }
    for alarm in missing:
        assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == ("Invocations", "Sum", 1)
        assert alarm["TreatMissingData"] == "breaching"
        assert alarm["Period"] >= 1.5 * 60 * max(minutes)


def test_answers_429_are_counted_in_the_log_of_the_gateway(prod: Template) -> None:
    (counted,) = prod.of_type("AWS::Logs::MetricFilter").values()
    logged = json.loads(prod.one("AWS::ApiGateway::Stage")["AccessLogSetting"]["Format"])
    destination = json.dumps(prod.one("AWS::ApiGateway::Stage")["AccessLogSetting"]["DestinationArn"])

    assert counted["FilterPattern"] == '{ $.status = "429" }'
    assert logged["status"] == "$context.status"
    assert counted["LogGroupName"]["Ref"] in destination
    (made,) = counted["MetricTransformations"]
    assert made["MetricName"] == by_name(prod)["TooManyRequests"]["MetricName"]
    assert {one["Key"]: logged[one["Value"].removeprefix("$.")] for one in made["Dimensions"]} == {
        "service": "tagged-image-manager",
        "stage": "prod",
    }
    assert "TooManyRequests" in by_name(prod)


def test_an_alarm_comes_before_the_proxy_refuses_a_connection(prod: Template) -> None:
    group = prod.one("AWS::RDS::DBProxyTargetGroup")
    alarm = by_name(prod)["ConnectionsWaitLong"]

    microseconds = group["ConnectionPoolConfigurationInfo"]["ConnectionBorrowTimeout"] * 1_000_000
    assert (alarm["MetricName"], alarm["Statistic"]) == ("DatabaseConnectionsBorrowLatency", "Maximum")
    assert alarm["Threshold"] == microseconds / 2


@pytest.mark.parametrize(
    ("name", "metric", "threshold"),
    [
        ("DatabaseProcessor", "CPUUtilization", 90),
        ("DatabaseBusy", "ACUUtilization", 90),
        ("SlowRequests", "Latency", 3000),
    ],
)
def test_an_alarm_watches_the_database_and_the_time_of_answers(
    prod: Template, name: str, metric: str, threshold: float
) -> None:
    alarm = by_name(prod)[name]

    assert (alarm["MetricName"], alarm["Threshold"]) == (metric, threshold)


def test_the_table_of_alarms_in_the_guide_is_that_of_the_template(prod: Template) -> None:
    guide = alarm_table.GUIDE.read_text()

    assert alarm_table.inserted(guide, prod.content) == guide, "`make docs` writes the table"


def test_only_dead_letters_of_storage_events_are_said_to_be_found_by_reconciliation(prod: Template) -> None:
    said = {name: alarm["AlarmDescription"] for name, alarm in by_name(prod).items() if name.startswith("DeadLetters")}

    assert [name for name, text in said.items() if "Reconciliation finds" in text] == [
        "DeadLettersOfRecordStorageEvent"
    ]
    schedules = {f"DeadLettersOf{name}" for name in ("Reconcile", "Tidy", "Purge")}
    assert {name for name, text in said.items() if "The next run does the same work" in text} == schedules


def test_the_table_has_every_alarm_with_its_threshold_and_what_to_do(prod: Template) -> None:
    rows = alarm_table.rows(prod.content)

    assert [row.partition("`")[2].partition("`")[0] for row in rows] == list(by_name(prod))
    for row, alarm in zip(rows, by_name(prod).values(), strict=True):
        assert alarm["MetricName"] in row
        assert f"{alarm['Threshold']:,}" in row
        assert alarm["AlarmDescription"].replace("|", "\\|") in row
