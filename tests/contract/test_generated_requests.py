"""Schemathesis, from the document that is served, finds nothing. Longer: SCHEMATHESIS_SECONDS=600 for each role."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.tokens import password_token
from tests.conftest import running_stack

SECONDS = os.environ.get("SCHEMATHESIS_SECONDS")
BUDGET = ["--max-time", SECONDS] if SECONDS else ["--generation-deterministic", "--max-examples", "10"]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def stack() -> Iterator[dict[str, Any]]:
    """Of its own: what it finds must not depend on what other tests have left."""
    with running_stack() as description:
        yield description


def schemathesis(document: str, token: str) -> subprocess.CompletedProcess[str]:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run", document),
        *("--header", f"Authorization: Bearer {token}"),
        *("--continue-on-failure", "--no-color", *BUDGET),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.contract.generated_requests", "PYTHONPATH": str(HERE.parents[1])}
    return subprocess.run(
        command, env=os.environ | hooks, capture_output=True, text=True, check=False, timeout=3600, cwd=HERE.parents[1]
    )


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
def test_requests_made_from_the_document_find_nothing_that_it_does_not_say(stack: dict[str, Any], role: str) -> None:
    document = stack["api_url"].replace("/v1", "/docs/openapi.json")

    run = schemathesis(document, password_token(stack, role))

    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in run.stdout
