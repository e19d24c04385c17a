"""The running functions of one version of the code."""

import json
import os
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.lambda_runtime import events, runtime
from tests.lambda_runtime.runtime import Function

API = "app"
MIGRATE = "migrate"
PACKAGES = sysconfig.get_paths()["purelib"]


@dataclass
class Release:
    process: Function
    operations: frozenset[str]
    called: set[str] = field(default_factory=set)
    """Operations and functions."""

    def call(
        self, operation: str, body: Any = None, *, query: str = "", expect: int = 200, key: str = "", **parameters: Any
    ) -> Any:
        """Returns the body of the answer. Does nothing when the release has no such operation yet."""
        if operation not in self.operations:
            return None
        method, path = operation.split(" ")
        event = events.http(method, path + query, body, **{name: str(value) for name, value in parameters.items()})
        if key:
            event["headers"]["Idempotency-Key"], event["multiValueHeaders"]["Idempotency-Key"] = key, [key]
        answer = self._invoke(API, operation, event)
        assert answer["statusCode"] == expect, f"{operation}: {answer['statusCode']} {answer['body']}"
        return json.loads(answer["body"] or "null")

    def run(self, function: str, event: Any) -> None:
        self._invoke(function, function, event)

    def _invoke(self, function: str, name: str, event: Any) -> Any:
        self.called.add(name)
        report = self.process.invoke({"function": function, "event": event})
        assert report.kind == "response", f"{name}: {report.content}"
        return report.content


@contextmanager
def running(code: Path, settings: Mapping[str, str]) -> Iterator[Release]:
    """All functions of this code, with the packages of the tests. Fails at the end when one was not called; the
    migration does not count."""
    environment = {"PYTHONPATH": os.pathsep.join((PACKAGES, str(ROOT))), "PYTHONDONTWRITEBYTECODE": "", **settings}
    with runtime.running("tests.lambda_runtime.any_function.handle", code, environment) as process:
        declared = process.invoke({"function": None}).content
        release = Release(process, frozenset(declared["operations"]))
        yield release
    missed = {*declared["operations"], *declared["functions"]} - release.called - {MIGRATE}
    assert not missed, f"tests/lambda_runtime/every_operation.py does not call {', '.join(sorted(missed))}"
