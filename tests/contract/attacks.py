"""Attempts to be let in, or to do what is not one's own to do. Each is one request and the status that refuses it."""

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from typing import Any
from urllib.parse import quote

from local.tokens import machine_token
from tests.contract.builders import NO_IMAGE
from tests.contract.forgeries import FORGERIES, Forgery, Pool
from tests.contract.raw_http import Headers
from tests.contract.routes import PERMISSIONS, ROUTES


@dataclass
class World:
    """What there is to attack: images of someone else, one of them in the bin, and a tag."""

    pool: Pool
    image_id: int
    binned_id: int
    tag_id: int

    @cached_property
    def machines(self) -> dict[str, str]:
        scopes = ("read", "write", "admin")
        return {f"machine/{each}": machine_token(self.pool.stack, [f"tagged-image-manager/{each}"]) for each in scopes}

    def token(self, caller: str) -> str:
        return self.machines[caller] if caller in self.machines else self.pool.tokens[caller]


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True)
class Attack:
    sentence: str
    status: int
    request: Callable[[World], Request]


JSON = ("Content-Type", "application/json")


def bearing(token: str, method: str, path: str, *more: tuple[str, str], body: bytes = b"") -> Request:
    return Request(method, f"/v1{path}", [("Authorization", f"Bearer {token}"), *more], body)


def by(caller: str, method: str, path: str, *more: tuple[str, str], body: bytes = b"") -> Callable[[World], Request]:
    """`path` may name what there is: {image_id}, {binned_id}, {tag_id}."""
    return lambda world: bearing(world.token(caller), method, _filled(path, world), *more, body=body)


def by_nobody(method: str, path: str, *headers: tuple[str, str], body: bytes = b"") -> Callable[[World], Request]:
    return lambda world: Request(method, f"/v1{_filled(path, world)}", list(headers), body)


def _filled(path: str, world: World) -> str:
    for name in ("image_id", "binned_id", "tag_id"):
        path = path.replace(f"{{{name}}}", str(getattr(world, name)))
    return path


def forged() -> Iterable[Attack]:
    for what, forge in FORGERIES.items():
        yield Attack(f"to delete an image by a token {what}", 401, partial(_with_forged, forge=forge))


def _with_forged(world: World, forge: Forgery) -> Request:
    return bearing(forge(world.pool), "DELETE", f"/images/{world.image_id}")


def above_ones_permission() -> Iterable[Attack]:
    for caller, has in (("viewer", "read"), ("machine/read", "read"), ("editor", "write"), ("machine/write", "write")):
        for route in ROUTES:
            if PERMISSIONS.index(route.needs) > PERMISSIONS.index(has):
                path = route.path.replace(str(NO_IMAGE), "{image_id}")
                body = b'{"tags": [], "name": "x", "into": 1}' if route.takes_body else b""
                yield Attack(
                    f"{caller}: {route}", 403, by(caller, route.method, path, *([JSON] if body else []), body=body)
                )


CLAIMS: dict[str, tuple[str, dict[str, Any]]] = {
    "a viewer with the scope admin": ("viewer", {"scope": "tagged-image-manager/admin"}),
    "a viewer with every scope": ("viewer", {"scope": "aws.cognito.signin.user.admin tagged-image-manager/admin"}),
    "a viewer who is named admin": ("viewer", {"username": "admin"}),
    "a viewer in a group Admins": ("viewer", {"cognito:groups": ["viewers", "Admins"]}),
    "a viewer in a group admin": ("viewer", {"cognito:groups": ["viewers", "admin"]}),
    "a viewer in a group of spaces and admins": ("viewer", {"cognito:groups": ["viewers", " admins"]}),
    "a viewer in a group of look-alikes": ("viewer", {"cognito:groups": ["viewers", "\u0430dmins"]}),
    "a viewer with a role": ("viewer", {"cognito:preferred_role": "admins", "cognito:roles": ["admins"]}),
    "a viewer with a custom claim": ("viewer", {"custom:group": "admins", "role": "admin", "groups": ["admins"]}),
    "a machine of read in the group admins": ("viewer", {"username": None, "scope": "tagged-image-manager/read"}),
    "a machine with a person's scope": (
        "viewer",
        {"username": None, "cognito:groups": ["admins"], "scope": "aws.cognito.signin.user.admin"},
    ),
    "a machine whose scope only looks like write": (
        "viewer",
        {"username": None, "scope": "tagged-image-manager/read tagged-image-manager/writes"},
    ),
}


def of_confused_roles() -> Iterable[Attack]:
    for (who, (name, claims)), (method, path) in product(
        CLAIMS.items(), (("DELETE", "/images/{image_id}"), ("GET", "/access-log"))
    ):
        request = partial(_with_claims, name=name, claims=claims, method=method, path=path)
        yield Attack(f"{who}: {method} {path}", 403, request)


def _with_claims(world: World, name: str, claims: dict[str, Any], method: str, path: str) -> Request:
    return bearing(world.pool.signed(name, **claims), method, _filled(path, world))


TRICKS = {
    "X-HTTP-Method-Override": "GET",
    "X-HTTP-Method": "GET",
    "X-Method-Override": "GET",
    "X-Original-Method": "GET",
    "X-Original-URL": "/v1/images",
    "X-Rewrite-URL": "/v1/images",
    "X-Original-URI": "/v1/images",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Host": "localhost",
    "X-Forwarded-Prefix": "/v1/images",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-User": "admin",
    "X-Forwarded-Groups": "admins",
    "X-Real-IP": "127.0.0.1",
    "Forwarded": "for=127.0.0.1;by=admin",
    "X-Remote-User": "admin",
    "X-User-Id": "admin",
    "X-Role": "admin",
    "X-Api-Key": "admin",
    "X-Amzn-Oidc-Identity": "admin",
    "X-Amzn-Oidc-Data": "e30.eyJzdWIiOiJhZG1pbiJ9.e30",
    "X-Amzn-Apigateway-Api-Id": "local",
    "X-Amzn-Trace-Id": "Root=1-00000000-000000000000000000000000;Admin=1",
    "X-Amzn-Remapped-Authorization": "Bearer admin",
    "X-Amz-Security-Token": "admin",
    "X-Apigateway-Event": '{"requestContext":{"authorizer":{"claims":{"cognito:groups":"admins"}}}}',
    "X-Amz-Invocation-Type": "Event",
    "Cookie": "role=admin; cognito:groups=admins",
    "Cognito-Groups": "admins",
    "Authorizer": '{"claims":{"cognito:groups":"admins"}}',
}


def in_headers() -> Iterable[Attack]:
    for name, value in TRICKS.items():
        more = (name, value)
        yield Attack(f"a viewer with {name}", 403, by("viewer", "DELETE", "/images/{image_id}", more))
        yield Attack(f"nobody with {name}", 401, by_nobody("DELETE", "/images/{image_id}", more))


def token_elsewhere() -> Iterable[Attack]:
    places: dict[str, Callable[[str], tuple[str, Headers, bytes]]] = {
        "the query": lambda token: (f"?access_token={token}", [], b""),
        "the query as Authorization": lambda token: (f"?Authorization=Bearer%20{token}", [], b""),
        "the query as token": lambda token: (f"?token={token}", [], b""),
        "a cookie": lambda token: ("", [("Cookie", f"access_token={token}; Authorization=Bearer {token}")], b""),
        "Proxy-Authorization": lambda token: ("", [("Proxy-Authorization", f"Bearer {token}")], b""),
        "X-Authorization": lambda token: ("", [("X-Authorization", f"Bearer {token}")], b""),
        "X-Access-Token": lambda token: ("", [("X-Access-Token", token)], b""),
        "X-Amz-Security-Token": lambda token: ("", [("X-Amz-Security-Token", token)], b""),
        "Authentication": lambda token: ("", [("Authentication", f"Bearer {token}")], b""),
        "Authorization with a dash": lambda token: ("", [("Authorization-", f"Bearer {token}")], b""),
        "the body as JSON": lambda token: ("", [JSON], json.dumps({"access_token": token}).encode()),
        "the body as a form": lambda token: (
            "",
            [("Content-Type", "application/x-www-form-urlencoded")],
            f"access_token={token}".encode(),
        ),
    }
    for where, put in places.items():

        def request(world: World, put: Any = put) -> Request:
            query, headers, body = put(world.token("admin"))
            return Request("DELETE", f"/v1/images/{world.image_id}{query}", headers, body)

        yield Attack(f"an admin's token in {where}", 401, request)
    yield Attack("an admin's token in the path", 404, lambda world: Request("GET", f"/v1/{world.token('admin')}", []))


SCHEMES = {
    "Basic": "Basic {}",
    "Digest": "Digest {}",
    "Negotiate": "Negotiate {}",
    "Token": "Token {}",
    "JWT": "JWT {}",
    "OAuth": "OAuth {}",
    "AWS4-HMAC-SHA256": "AWS4-HMAC-SHA256 Credential={}",
    "DPoP": "DPoP {}",
    "a colon": "Bearer:{}",
    "an equals sign": "Bearer={}",
    "no space": "Bearer{}",
    "a tab": "Bearer\t{}",
    "a no-break space": "Bearer\u00a0{}",
    "an ideographic space": "Bearer\u3000{}",
    "a zero-width space": "Bearer \u200b{}",
    "a Cyrillic letter": "\u0412earer {}",
    "fullwidth letters": "\uff22\uff45\uff41\uff52\uff45\uff52 {}",
    "the scheme twice": "Bearer Bearer {}",
    "two schemes": "Basic Bearer {}",
    "the token twice": "Bearer {0} {0}",
    "the token twice with a comma": "Bearer {0}, Bearer {0}",
    "quotes": 'Bearer "{}"',
    "a name": "Bearer token={}",
    "an encoded space": "Bearer%20{}",
    "angle brackets": "Bearer <{}>",
    "a comma before it": ",Bearer {}",
    "a semicolon behind it": "Bearer {};",
    "nothing but the scheme": "Bearer",
    "nothing but spaces": "   ",
    "nothing at all": "",
}


def in_the_scheme() -> Iterable[Attack]:
    for what, form in SCHEMES.items():

        def request(world: World, form: str = form) -> Request:
            value = form.format(world.token("admin"))
            return Request("DELETE", f"/v1/images/{world.image_id}", [("Authorization", value)])

        yield Attack(f"an admin's token with {what}", 401, request)


def doubled() -> Iterable[Attack]:
    pairs = {
        "twice the same": ("Bearer {admin}", "Bearer {admin}"),
        "an admin's and a viewer's": ("Bearer {admin}", "Bearer {viewer}"),
        "a viewer's and an admin's": ("Bearer {viewer}", "Bearer {admin}"),
        "garbage and an admin's": ("garbage", "Bearer {admin}"),
        "an admin's and garbage": ("Bearer {admin}", "garbage"),
        "an admin's and none": ("Bearer {admin}", ""),
        "none and an admin's": ("", "Bearer {admin}"),
    }
    for (what, values), (first, second) in product(
        pairs.items(), (("Authorization", "Authorization"), ("AUTHORIZATION", "authorization"))
    ):

        def request(world: World, values: Any = values, names: Any = (first, second)) -> Request:
            tokens = {name: world.token(name) for name in ("admin", "viewer")}
            headers = [(name, value.format(**tokens)) for name, value in zip(names, values, strict=True)]
            return Request("DELETE", f"/v1/images/{world.image_id}", headers)

        yield Attack(f"two headers, {first} and {second}: {what}", 401, request)


PATHS = {
    "//access-log": 404,
    "/./access-log": 404,
    "/../v1/access-log": 404,
    "/images/../access-log": 404,
    "/%2e%2e/v1/access-log": 404,
    "/%2e/access-log": 404,
    "/images/..%2faccess-log": 400,
    "/images/%2e%2e%2faccess-log": 400,
    "/images%2f..%2faccess-log": 404,
    "/access-log/..": 404,
    "/access-log/": 403,
    "/access-log//": 404,
    "/access-log%2f": 404,
    "/access-log%00": 404,
    "/access-log%20": 404,
    "/access-log;role=admin": 404,
    "/access-log.json": 404,
    "/access%2Dlog": 403,
    "/%61ccess-log": 403,
    "/%2561ccess-log": 404,
    "/ACCESS-LOG": 404,
    "/access-log%3fuser_id=1": 404,
    "/access_log": 404,
    "\\access-log": 404,
    "/*": 404,
    "/{proxy+}": 404,
    "/%c0%ae%c0%ae/access-log": 404,
    "/%ef%bc%8e%ef%bc%8e/access-log": 404,
}
TARGETS = {
    "/access-log": 404,
    "//v1/access-log": 404,
    "/V1/access-log": 404,
    "/v1": 404,
    "/v2/access-log": 404,
    "/docs/../v1/access-log": 404,
    "/v1%2faccess-log": 404,
    "/%76%31/access-log": 403,
}


def along_other_paths() -> Iterable[Attack]:
    for path, status in PATHS.items():
        yield Attack(f"a viewer asks for {path!a}", status, by("viewer", "GET", path))
    for target, status in TARGETS.items():
        yield Attack(f"a viewer asks for the target {target}", status, partial(_of_target, target=target))


def _of_target(world: World, target: str) -> Request:
    return Request("GET", target, [("Authorization", f"Bearer {world.token('viewer')}")])


def by_other_methods() -> Iterable[Attack]:
    for method in ("PATCH", "TRACE", "PROPFIND", "MOVE", "COPY", "LINK", "PURGE", "REPORT"):
        yield Attack(f"an editor: {method} an image", 404, by("editor", method, "/images/{image_id}"))
    for method in ("POST", "PUT", "DELETE"):
        yield Attack(f"an admin: {method} the access log", 404, by("admin", method, "/access-log"))


IDS = {
    "with a sign": "+1",
    "below zero": "-1",
    "with a fraction": "1.0",
    "with an exponent": "1e3",
    "in hexadecimal": "0x1",
    "in another script": quote("\u0661"),
    "with fullwidth digits": quote("\uff11"),
    "with SQL": quote("1 OR 1=1"),
    "with a comment": quote("1--"),
    "with a space": "%201",
    "with a line break": "1%0a",
    "with a NUL": "1%00",
    "of two": "1,2",
    "with an underscore": "1_000",
    "beyond 63 bits": str(2**63),
    "beyond 64 bits": str(2**64),
    "of a thousand digits": "1" * 1000,
    "that is null": "null",
    "that is a star": "*",
    "with two dots": "%2e%2e",
}


def with_odd_ids() -> Iterable[Attack]:
    for what, value in IDS.items():
        yield Attack(f"an admin deletes an image by an id {what}", 400, by("admin", "DELETE", f"/images/{value}"))
        yield Attack(f"an admin deletes a tag by an id {what}", 400, by("admin", "DELETE", f"/tags/{value}"))


def on_what_is_anothers() -> Iterable[Attack]:
    for caller in ("editor", "machine/write"):
        yield Attack(f"{caller}: deletes the image of another", 403, by(caller, "DELETE", "/images/{image_id}"))
        yield Attack(
            f"{caller}: restores it, though it is there", 403, by(caller, "POST", "/images/{image_id}/restore")
        )
        yield Attack(f"{caller}: restores it from the bin", 404, by(caller, "POST", "/images/{binned_id}/restore"))
        yield Attack(f"{caller}: reads it in the bin", 404, by(caller, "GET", "/images/{binned_id}"))
        yield Attack(f"{caller}: tags it in the bin", 404, by(caller, "PUT", "/images/{binned_id}/tags/x"))
        yield Attack(f"{caller}: uploads to it in the bin", 404, by(caller, "POST", "/images/{binned_id}/upload"))


FIELDS = {
    "id": 7,
    "created_by": "someone else",
    "status": "present",
    "object_key": "images/of/another",
    "uploaded_timestamp": 1,
    "created_timestamp": 1,
    "url": "https://evil.example",
    "attributes": {"Modality": "CT"},
    "deleted_at": None,
    "role": "admin",
    "__proto__": {"admin": True},
    "$where": "1",
    "bucket": "another",
    "rejection": "",
}


def by_fields_that_are_not_theirs() -> Iterable[Attack]:
    for name, value in FIELDS.items():
        draft = json.dumps({"filename": "a", "size": 1, name: value}).encode()
        yield Attack(f"an editor sets {name} of a new image", 400, by("editor", "POST", "/images", JSON, body=draft))
        change = json.dumps({"filename": "a", name: value}).encode()
        yield Attack(
            f"an editor sets {name} of an image", 400, by("editor", "PUT", "/images/{image_id}", JSON, body=change)
        )


def with_a_key() -> Iterable[Attack]:
    """A refusal like this is not kept for the key: whoever may ask later is answered anew."""
    body, key = b'{"name": "x"}', ("Idempotency-Key", "of an attacker")
    yield Attack("a viewer with an Idempotency-Key", 403, by("viewer", "POST", "/tags", JSON, key, body=body))
    yield Attack("nobody with an Idempotency-Key", 401, by_nobody("POST", "/tags", JSON, key, body=body))


def with_a_password() -> Iterable[Attack]:
    for user in ("admin", "viewer"):
        yield Attack(f"{user}: with name and password instead of a token", 401, partial(_basic, user=user))


def _basic(world: World, user: str) -> Request:
    password = world.pool.stack["users"][user]["password"]
    value = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Request("GET", "/v1/images", [("Authorization", f"Basic {value}")])


ATTACKS = [
    attack
    for kind in (
        forged,
        above_ones_permission,
        of_confused_roles,
        in_headers,
        token_elsewhere,
        in_the_scheme,
        doubled,
        along_other_paths,
        by_other_methods,
        with_odd_ids,
        on_what_is_anothers,
        by_fields_that_are_not_theirs,
        with_a_key,
        with_a_password,
    )
    for attack in kind()
]
