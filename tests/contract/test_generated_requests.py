"""Schemathesis, from the document that is served, finds nothing: no answer that it does not promise, no failure of
ours, none left waiting, and no row changed by a request that was refused.

Longer: SCHEMATHESIS_SECONDS=600 for each role, or SCHEMATHESIS_REQUESTS=50000 in all."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from local.tokens import password_token
from tests.conftest import running_stack

SECONDS = os.environ.get("SCHEMATHESIS_SECONDS")
REQUESTS = int(os.environ.get("SCHEMATHESIS_REQUESTS", "0"))
HERE = Path(__file__).parent
ROLES = ["viewer", "editor", "admin"]


def budget(turn: int) -> list[str]:
    if SECONDS:
        return ["--max-time", SECONDS]
    if REQUESTS:
        return ["--seed", str(turn), "--max-examples", "300"]
    return ["--generation-deterministic", "--max-examples", "10"]


@pytest.fixture(scope="module")
def stack() -> Iterator[dict[str, Any]]:
    """Of its own: what it finds must not depend on what other tests have left."""
    with running_stack() as description:
        yield description


def schemathesis(stack: dict[str, Any], role: str, turn: int, sent: Path) -> subprocess.CompletedProcess[str]:
    document = stack["api_url"].replace("/v1", "/docs/openapi.json")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run", document),
        *("--header", f"Authorization: Bearer {password_token(stack, role)}"),
        *("--continue-on-failure", "--no-color", "--request-timeout", "40", *budget(turn)),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.contract.generated_requests", "PYTHONPATH": str(HERE.parents[1])}
    hooks |= {"OF_STACK": stack["database_url"], "SENT": str(sent)}
    return subprocess.run(
        command, env=os.environ | hooks, capture_output=True, text=True, check=False, timeout=3600, cwd=HERE.parents[1]
    )


@pytest.mark.parametrize("role", ROLES)
def test_requests_made_from_the_document_find_nothing_that_it_does_not_say(
    stack: dict[str, Any], role: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    sent, total = tmp_path / "sent", 0
    for turn in count(1):
        run = schemathesis(stack, role, turn, sent)

        assert run.returncode == 0, run.stdout[-20_000:] + run.stderr
        for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
            assert f"✅ {phase}" in run.stdout
        total += int(sent.read_text())
        if total * len(ROLES) >= REQUESTS:
            break
    record_property("requests", total)
    assert total > 0
