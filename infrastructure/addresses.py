"""What only the operator of a stage can know: who gets its alarms, and which web sites use it.

It is read from `stages.toml`, a table for each stage:

    [prod]
    alarm_email = "images-on-call@hospital.org"
    origins = ["https://images.hospital.org"]
    callbacks = ["https://images.hospital.org/"]
    problem_type_base = "https://images.hospital.org/errors#"
"""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from infrastructure.packaging import ROOT
from infrastructure.stages import Stage

FILE = ROOT / "stages.toml"
REQUIRED = ("alarm_email", "origins", "callbacks", "problem_type_base")
OPTIONAL = ("bucket", "zones")

_NOWHERE = {
    "alarm_email": re.compile(r"[@.]example\.(com|net|org)$|\.example$", re.IGNORECASE),
    "origins": re.compile(
        r"[/.](example\.(com|net|org)|[a-z0-9-]+\.example|localhost|127\.0\.0\.1)(:|$)", re.IGNORECASE
    ),
    "callbacks": re.compile(r"[/.](example\.(com|net|org)|[a-z0-9-]+\.example)([:/?#]|$)", re.IGNORECASE),
    "problem_type_base": re.compile(r"[/.]example\.(com|net|org)[:/]", re.IGNORECASE),
}
"""Names that are reserved for documentation (RFC 2606). A program on the user's own machine may be called back, and the
base of problem types that was released is under `.example`."""


class AddressesError(Exception):
    """A stage cannot be synthesized with what the file says; the message says what to write into it."""


def of(stage: Stage, file: Path = FILE) -> Stage:
    """Returns the stage with the values of the file. Raises AddressesError."""
    given = _read(file).get(stage.name, {})
    if unknown := sorted(given.keys() - {*REQUIRED, *OPTIONAL}):
        raise AddressesError(f"[{stage.name}] in {file} has unknown fields: {', '.join(unknown)}. Remove them.")
    if missing := [name for name in REQUIRED if stage.relied_on and not given.get(name)]:
        raise AddressesError(_request(stage.name, file, missing))
    for name, value in given.items():
        _check(name, value, f"{name} of [{stage.name}] in {file}", real=stage.relied_on)
    values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in given.items()}
    return replace(stage, **values)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise AddressesError(f"{file} is not valid TOML: {error}.") from None


def _request(stage: str, file: Path, missing: list[str]) -> str:
    lines = [_EXAMPLE_LINES[name] for name in missing]
    return "\n".join([f"People rely on {stage}, so {file} must have, with your own values:", f"[{stage}]", *lines])


_EXAMPLE_LINES = {
    "alarm_email": 'alarm_email = "images-on-call@example.org"  # gets every alarm',
    "origins": 'origins = ["https://images.example.org"]  # web sites that call the API; without a slash at the end',
    "callbacks": 'callbacks = ["https://images.example.org/"]  # where the hosted sign-in sends browsers back to',
    "problem_type_base": 'problem_type_base = "https://images.example.org/errors#"  # before the slug of errors',
}

_LISTS = ("origins", "callbacks", "zones")
_FORMS = {
    "alarm_email": (r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address"),
    "origins": (r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", "scheme and host, without a path and a slash at the end"),
    "callbacks": (r"(https://|http://localhost\b)\S+", "an address that begins with https://"),
    "problem_type_base": (r"https?://\S+[/#]", "an address that ends with / or #"),
    "zones": (r"[a-z]{2}(-[a-z]+)+-[0-9][a-z]", "an availability zone, such as eu-central-1a"),
    "bucket": (r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", "a name of 3 to 63 lower-case letters, digits and hyphens"),
}


def _check(name: str, value: Any, where: str, *, real: bool) -> None:
    form, words = _FORMS[name]
    is_list = name in _LISTS
    if isinstance(value, list) is not is_list:
        raise AddressesError(f"{where} must be {'a list' if is_list else 'a text'}.")
    for each in value if is_list else [value]:
        if not isinstance(each, str) or not re.fullmatch(form, each):
            raise AddressesError(f"{where} is {each!r}, but must be {words}.")
        if real and name in _NOWHERE and _NOWHERE[name].search(each):
            raise AddressesError(f"{where} is {each!r}, which leads nowhere: write a real address.")
    if name == "zones" and (len(value), len(set(value))) != (2, 2):
        raise AddressesError(f"{where} must name two different zones.")
