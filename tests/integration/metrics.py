"""What a run has counted, as CloudWatch reads it from its output."""

import json

import pytest


def counted(capsys: pytest.CaptureFixture[str], name: str) -> list[float]:
    """The values of this metric, in order."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [value for line in lines for value in line.get(name, [])]
