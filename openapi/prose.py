"""What the document says in sentences: an introduction, and the docstrings of the views."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

PERSON = """\
An access token of the Cognito user pool, as `Authorization: Bearer <token>`, from the hosted sign-in (authorization
code with PKCE) or a sign-in by password. Any of the scopes lets a person in; what they may do follows from their group:
`viewers` read, `editors` write, `admins` admin."""
MACHINE = """\
An access token by client credentials, as `Authorization: Bearer <token>`. Its scopes say what the machine may do; a
wider one includes the narrower."""

INTRODUCTION = """\
Upload images, tag them, find them again by tag, pattern and date, and download them byte for byte; every request is
recorded.

**Formats.** JSON in UTF-8, in and out. Times are integers: seconds since the Unix epoch, UTC. Ids are integers that
grow with the time of creation, so newest first is id descending.

**Permissions.** `read`, `write` and `admin`, each including the ones before; every operation says which one it needs.

**Errors.** Every error is a problem (RFC 9457, `application/problem+json`), also those that the gateway in front makes;
a firewall's 429 is one of type `application/json`, without `request_id`.
A path that is not described here, or a method that a path does not take, is answered with 404 and the problem
`not-found`. Query parameters and body fields that are not described here are refused, so that a typing error does not
search for something else.

**Lists.** `limit` results at a time, and one of `page`, `offset` and `cursor`. The cursor, `meta.next_cursor` of the
page before, is the way through a long list: it neither skips nor repeats what exists throughout. Beyond the first
10,000 results it is the only way.

**Caching.** Every answer says `Cache-Control: no-store`; `If-None-Match` is ignored.

**Browsers.** Every answer carries CORS headers, and shows scripts `ETag`, `Link`, `Location`, `Retry-After` and
`X-Request-Id`."""


def flowing(text: str) -> str:
    """One line a paragraph."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def of_view(view: Callable[..., Any]) -> tuple[str, str]:
    """Its summary, without the full stop, and its description."""
    summary, _, description = inspect.cleandoc(view.__doc__ or "").partition("\n\n")
    return flowing(summary).removesuffix("."), flowing(description)


def tag_of(module: ModuleType) -> str:
    """`chalicelib.routes.access_log` is the group Access log."""
    return module.__name__.rpartition(".")[2].replace("_", " ").capitalize()
