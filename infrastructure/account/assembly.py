"""What a stage would deploy, read from the assembly that `make synth` wrote."""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

Properties = dict[str, Any]


class Assembly:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        manifest = json.loads((directory / "manifest.json").read_text())
        artifacts = manifest["artifacts"]
        ((self.stack, stack),) = [
            (name, one["properties"]) for name, one in artifacts.items() if one["type"] == "aws:cloudformation:stack"
        ]
        self.tags: dict[str, str] = stack["tags"]
        self.bootstrap_parameter = str(stack["bootstrapStackVersionSsmParameter"])
        self.bootstrap_version = max(
            one["properties"].get("requiresBootstrapStackVersion", 0) for one in artifacts.values()
        )
        self.template: dict[str, Any] = json.loads((directory / stack["templateFile"]).read_text())

    def of_type(self, kind: str) -> list[Properties]:
        """Returns the properties of the resources of a CloudFormation type."""
        resources = self.template["Resources"].values()
        return [one.get("Properties", {}) for one in resources if one["Type"] == kind]

    def one(self, kind: str) -> Properties:
        (properties,) = self.of_type(kind)
        return properties

    @cached_property
    def reserved_concurrency(self) -> int:
        return sum(one.get("ReservedConcurrentExecutions", 0) for one in self.of_type("AWS::Lambda::Function"))

    @cached_property
    def code_bytes(self) -> int:
        """Returns how much code storage a deployment takes: Lambda keeps a copy of the zip for each function, one for
        its new version, and the layers. CDK's own functions are of a few kilobytes, and left out."""
        functions = [self._zip_bytes(one["Code"]) for one in self.of_type("AWS::Lambda::Function")]
        layers = [self._zip_bytes(one["Content"]) for one in self.of_type("AWS::Lambda::LayerVersion")]
        return 2 * sum(functions) + sum(layers)

    def _zip_bytes(self, code: Properties) -> int:
        file = self._directory / f"asset.{code.get('S3Key', '')}"
        return file.stat().st_size if file.is_file() else 0


def text(value: Any, known: Mapping[str, str]) -> str:
    """Returns a string of the template with the pseudo parameters (`AWS::AccountId` and the like) that it refers to.
    Raises KeyError when it refers to anything else, whose value only a deployment gives."""
    match value:
        case {"Ref": name}:
            return known[name]
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(text(part, known) for part in parts)
        case {"Fn::Sub": str(pattern)}:
            return re.sub(r"\$\{([^}]+)\}", lambda match: known[match[1]], pattern)
        case _:
            return str(value)
