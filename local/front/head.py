"""The request line and headers of a request, as the emulator will read them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from local.front.refusals import RefusedCall

_IN_QUERY = ("x-amz-algorithm", "x-amz-credential", "x-amz-signature", "awsaccesskeyid", "signature")


@dataclass(frozen=True)
class Head:
    method: str
    raw_path: str
    path: str
    """Decoded: the emulator acts on this one."""
    query: list[tuple[str, str]]
    headers: dict[str, list[str]]
    """Names in lower case, values as often as they came."""

    @classmethod
    def of(cls, scope: dict[str, Any]) -> "Head":
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return cls(scope["method"], scope["raw_path"].decode("latin-1"), scope["path"], query, headers)

    def header(self, name: str) -> str:
        """The value, or "" when there is none. Raises RefusedCall when there are several: the emulator might use
        another than the one that was checked."""
        return _only(self.headers.get(name, []), name)

    def parameter(self, name: str) -> str:
        """The same for a parameter of the query, whose name the emulator reads in any case."""
        return _only([value for key, value in self.query if key.lower() == name], name)

    @cached_property
    def is_query_signed(self) -> bool:
        """Whether a signature, whole or not, stands in the query."""
        return any(key.lower() in _IN_QUERY for key, _ in self.query)

    @property
    def origin(self) -> bool:
        return "origin" in self.headers


def _only(values: list[str], name: str) -> str:
    if len(values) > 1:
        raise RefusedCall(400, "InvalidRequest", f"The request has more than one {name}.")
    return values[0] if values else ""
