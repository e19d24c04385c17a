"""A template, to be asked."""

from collections.abc import Iterator
from typing import Any

Resource = dict[str, Any]

HOLDING_DATA = {
    "AWS::S3::Bucket",
    "AWS::DynamoDB::Table",
    "AWS::RDS::DBCluster",
    "AWS::KMS::Key",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolResourceServer",
    "AWS::Cognito::UserPoolGroup",
    "AWS::SecretsManager::Secret",
    "AWS::Logs::LogGroup",
    "AWS::SQS::Queue",
    "AWS::ApiGateway::RestApi",
}
"""What would be lost, or have another address, if CloudFormation replaced it."""


class Template:
    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.resources: dict[str, Resource] = content["Resources"]

    def of_type(self, kind: str) -> dict[str, Any]:
        """Properties by logical id."""
        return {name: one.get("Properties", {}) for name, one in self.resources.items() if one["Type"] == kind}

    def one(self, kind: str) -> Any:
        (properties,) = self.of_type(kind).values()
        return properties

    def functions(self) -> dict[str, Any]:
        """Of the app, by their names in app.py; CDK's own are not among them."""
        found = self.of_type("AWS::Lambda::Function").values()
        return {one["Handler"].removeprefix("app."): one for one in found if one["Handler"].startswith("app.")}

    def function_id(self, name: str) -> str:
        (found,) = [
            key for key, one in self.of_type("AWS::Lambda::Function").items() if one["Handler"] == f"app.{name}"
        ]
        return found

    def alias_of(self, name: str) -> str:
        """The logical id of the alias that traffic goes through."""
        wanted = {"Ref": self.function_id(name)}
        (found,) = [key for key, one in self.of_type("AWS::Lambda::Alias").items() if one["FunctionName"] == wanted]
        return found

    def statements(self, name: str) -> list[dict[str, Any]]:
        """What the role of a function may do."""
        role = self.functions()[name]["Role"]["Fn::GetAtt"][0]
        policies = self.of_type("AWS::IAM::Policy").values()
        mine = [policy for policy in policies if {"Ref": role} in policy["Roles"]]
        return [statement for policy in mine for statement in policy["PolicyDocument"]["Statement"]]

    def all_statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Of every policy document in the template, with the id of its resource."""
        for name, resource in self.resources.items():
            for document in _documents(resource.get("Properties", {})):
                for statement in document["Statement"]:
                    yield name, statement


def _documents(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "Statement" in value and "Version" in value:
            yield value
        for each in value.values():
            yield from _documents(each)
    if isinstance(value, list):
        for each in value:
            yield from _documents(each)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
