"""The API as the gateway knows it: its resources, and which of them a path names."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from infrastructure.resources import STAGE


@dataclass(frozen=True)
class Method:
    scopes: frozenset[str] | None
    """Any one of them lets the caller in; None: no authorizer."""


@dataclass(frozen=True)
class Resource:
    path: str
    segments: tuple[str, ...]
    methods: dict[str, Method]
    cors: dict[str, str]
    """Headers of the answer to OPTIONS; empty: there is no OPTIONS."""

    def parameters(self, segments: list[str]) -> dict[str, str] | None:
        """Values of the path's parameters, as they were sent; None when it is not this resource that the segments
        name."""
        found = {}
        for template, segment in zip(self.segments, segments, strict=True):
            if template.startswith("{"):
                found[template[1:-1]] = segment
            elif template != unquote(segment):
                return None
        return None if "" in found.values() else found


@dataclass(frozen=True)
class Match:
    resource: Resource
    parameters: dict[str, str]


class Api:
    def __init__(self, description: dict[str, Any]) -> None:
        """From what a worker says of its app (see local.worker.describe)."""
        self.binary_types = frozenset(description["binary_types"])
        by_path: dict[str, list[dict[str, Any]]] = {}
        for route in description["routes"]:
            by_path.setdefault(route["path"], []).append(route)
        resources = [_resource(path, routes) for path, routes in by_path.items()]
        # Static segments go before parameters.
        self._resources = sorted(resources, key=lambda one: [segment.startswith("{") for segment in one.segments])
        self.cors = next((resource.cors for resource in self._resources if resource.cors), {})

    def find(self, raw_path: str) -> Match | None:
        """Returns the resource that a path names, with the parameters as they were sent, still percent-encoded: so API
        Gateway passes them on. One slash at the end is let pass, as API Gateway does."""
        segments = raw_path.split("/")[1:]
        if len(segments) > 1 and segments[-1] == "":
            segments.pop()
        if [unquote(segment) for segment in segments[:1]] != [STAGE]:
            return None
        for resource in self._resources:
            if len(resource.segments) == len(segments) - 1:
                parameters = resource.parameters(segments[1:])
                if parameters is not None:
                    return Match(resource, parameters)
        return None


def _resource(path: str, routes: list[dict[str, Any]]) -> Resource:
    methods = {
        route["method"]: Method(frozenset(route["scopes"]) if route["scopes"] is not None else None) for route in routes
    }
    cors = next((route["cors"] for route in routes if route["cors"]), None)
    allowed = {"Access-Control-Allow-Methods": ",".join([*sorted(methods), "OPTIONS"])}
    return Resource(path, tuple(path.strip("/").split("/")), methods, cors | allowed if cors else {})
