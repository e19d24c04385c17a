"""Alarms as data, and those that every function has."""

from typing import NamedTuple

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import ComparisonOperator, IMetric, TreatMissingData

from infrastructure import service
from infrastructure.stack.functions import MIGRATE, Deployed, Functions, title

_FIVE_MINUTES = Duration.minutes(5)
_FIFTEEN_MINUTES = Duration.minutes(15)
"""The longest pause between two runs of a schedule is 10 minutes."""


class Alert(NamedTuple):
    name: str
    metric: IMetric
    above: float
    """The threshold; below it, where the comparison says so."""
    periods: int
    what_to_do: str
    comparison: ComparisonOperator = ComparisonOperator.GREATER_THAN_THRESHOLD
    without_data: TreatMissingData = TreatMissingData.NOT_BREACHING


def of_errors(functions: Functions) -> list[Alert]:
    """Returns one alert for each function but `migrate`, whose failure fails the deployment."""
    return [_errors(each) for each in functions.all if each.name != MIGRATE]


def _errors(one: Deployed) -> Alert:
    return Alert(
        f"ErrorsOf{title(one.name)}",
        one.function.metric_errors(period=_FIVE_MINUTES, statistic="Sum"),
        0,
        3,
        f"The function {one.name} has failed in each of three periods of 5 minutes. Its log has the exceptions. If they"
        " began with a deployment, move its alias `live` back to the version before.",
    )


def of_schedules(functions: Functions) -> list[Alert]:
    return [_missing_runs(functions.by_name[name]) for name in service.schedules()]


def _missing_runs(one: Deployed) -> Alert:
    return Alert(
        f"MissingRunsOf{title(one.name)}",
        one.function.metric_invocations(period=_FIFTEEN_MINUTES, statistic="Sum"),
        1,
        1,
        f"The schedule has not started {one.name} for 15 minutes. See in EventBridge whether its rule is enabled, and"
        " in Lambda whether the function is throttled. A rule that was disabled has to be enabled again.",
        ComparisonOperator.LESS_THAN_THRESHOLD,
        TreatMissingData.BREACHING,
    )
