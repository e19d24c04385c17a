"""The table of alarms in the guide to operating, made from the template of prod: `python -m infrastructure docs`."""

import re
from typing import Any

from infrastructure.packaging import ROOT

GUIDE = ROOT / "design-docs" / "guides" / "operating.md"
_TABLE = re.compile(r"(?<=\n## Alarms\n)(.*?\n)(\|.*?\n)(?=\n)", re.DOTALL)
_HEAD = ("| alarm | comes when | what to do |", "| --- | --- | --- |")
_WORDS = {"GreaterThanThreshold": "above", "LessThanThreshold": "below"}

Alarm = dict[str, Any]


def inserted(guide: str, template: dict[str, Any]) -> str:
    """Returns the guide with the alarms of the template in the first table of its section about them."""
    table = "".join(f"{line}\n" for line in (*_HEAD, *rows(template)))
    made, found = _TABLE.subn(lambda match: match[1] + table, guide, count=1)
    if not found:
        raise ValueError(f"{GUIDE.name} has no section `## Alarms` with a table.")
    return made


def rows(template: dict[str, Any]) -> list[str]:
    alarms = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    return [f"| `{_name(one)}` | {_condition(one)} | {_cell(one['AlarmDescription'])} |" for one in alarms]


def _name(alarm: Alarm) -> str:
    """Without the service and the stage."""
    return str(alarm["AlarmName"]).rpartition("-")[2]


def _condition(alarm: Alarm) -> str:
    statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
    minutes = alarm["Period"] // 60
    length = f"{minutes} minute{'s' if minutes > 1 else ''}"
    lasting = f"in {length}"
    if alarm["EvaluationPeriods"] > 1:
        lasting = f"in each of {alarm['EvaluationPeriods']} periods of {length}"
    word = _WORDS[alarm["ComparisonOperator"]]
    missing = " or has no data" if alarm["TreatMissingData"] == "breaching" else ""
    metric = f"`{alarm['MetricName']}` ({alarm['Namespace']})"
    return _cell(f"{statistic} of {metric} is {word} {alarm['Threshold']:,}{missing}, {lasting}")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
