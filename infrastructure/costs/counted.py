"""What is paid by the piece, counted in the template of prod: `make docs` writes it to counted.json."""

import json
import re
from pathlib import Path
from typing import Any

from infrastructure.packaging import ROOT
from infrastructure.resources import FUNCTION_ENVIRONMENT

FILE = Path(__file__).parent / "counted.json"
_NAMESPACE = FUNCTION_ENVIRONMENT["POWERTOOLS_METRICS_NAMESPACE"]


def counted() -> dict[str, int]:
    read: dict[str, int] = json.loads(FILE.read_text())
    return read


def count(template: dict[str, Any]) -> dict[str, int]:
    of = _Resources(template)
    interfaces = [one for one in of("AWS::EC2::VPCEndpoint") if one["VpcEndpointType"] == "Interface"]
    managed = [one for one in of("AWS::RDS::DBCluster") if one.get("ManageMasterUserPassword")]
    (table,) = of("AWS::DynamoDB::Table")
    (firewall,) = of("AWS::WAFv2::WebACL")
    return {
        "alarms": len(of("AWS::CloudWatch::Alarm")),
        "dashboards": len(of("AWS::CloudWatch::Dashboard")),
        "endpoint_zones": len(interfaces) * len(of("AWS::EC2::Subnet")),
        "firewall_rules": len(firewall["Rules"]),
        "functions": len(of("AWS::Lambda::Function")),
        "keys": len(of("AWS::KMS::Key")),
        "log_groups": len(of("AWS::Logs::LogGroup")),
        "metrics": len(_metrics(of)),
        "polled_queues": len(of("AWS::Lambda::EventSourceMapping")),
        "queues": len(of("AWS::SQS::Queue")),
        "routes": _routes(of),
        "secrets": len(of("AWS::SecretsManager::Secret")) + len(managed),
        "table_indexes": len(table["GlobalSecondaryIndexes"]),
    }


def write(template: dict[str, Any]) -> None:
    FILE.write_text(json.dumps(count(template), indent=2) + "\n")


class _Resources:
    def __init__(self, template: dict[str, Any]) -> None:
        self._resources = template["Resources"].values()

    def __call__(self, kind: str) -> list[dict[str, Any]]:
        return [one.get("Properties", {}) for one in self._resources if one["Type"] == kind]


def _metrics(of: _Resources) -> set[str]:
    """Returns the names of our own metrics: those that the code counts, and those that are made of logs."""
    sources = "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    made = [one for each in of("AWS::Logs::MetricFilter") for one in each["MetricTransformations"]]
    watched = {one["MetricName"] for one in of("AWS::CloudWatch::Alarm") if one.get("Namespace") == _NAMESPACE}
    return set(re.findall(r'\bcount\("(\w+)"', sources)) | {one["MetricName"] for one in made} | watched


def _routes(of: _Resources) -> int:
    """Returns the number of methods, without those that only answer a browser's preflight requests."""
    (api,) = of("AWS::ApiGateway::RestApi")
    return sum(method != "options" for methods in api["Body"]["paths"].values() for method in methods)
