"""What no log line may hold. Scanned are the logs of every stack that tests start, when it ends."""

import json
import re
from pathlib import Path
from typing import Any

MARK = "h0ch-vertraulich"
"""Tests write it where callers write what is theirs; what has it in it must not be in a log."""

LOGS = ("service", "postgres", "migration")
"""Ours, and the database's, which we set up. That of the emulator is none of the product's."""

PATTERNS = {
    "a token": r"eyJ[\w-]{8,}",
    "an Authorization header": r"(?i)\bbearer\s+\S|authorization['\"]?:",
    "a presigned URL": r"(?i)X-Amz-(Signature|Credential|Security-Token)",
    "a signature": r"AWS4-HMAC-SHA256",
    "what a test wrote": MARK,
}


def leaks(state: Path) -> list[str]:
    """Of the stack with this state directory: what was found, in which log, and the line."""
    wanted = PATTERNS | {f"the password of {name}": re.escape(value) for name, value in secrets(state).items()}
    return [
        f"{what} in {log.name}: {line[:2000]}"
        for log in (state / "logs" / f"{name}.log" for name in LOGS)
        if log.exists()
        for line in log.read_text(errors="replace").splitlines()
        for what, pattern in wanted.items()
        if re.search(pattern, line)
    ]


def secrets(state: Path) -> dict[str, str]:
    """So far as the stack came to have them."""
    passwords = _content(state / "secrets.json")
    machines = _content(state / "stack.json").get("machines", {})
    return passwords | {f"the machine for {name}": each["client_secret"] for name, each in machines.items()}


def _content(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.exists() else {}
