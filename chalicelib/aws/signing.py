"""Signature version 4: what the SDK would sign, in a twentieth of its time, and without loading it.

The algorithm: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
import time
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

SERVED = {
    "cache-control": "private, no-store",
    "content-encoding": "identity",
    "content-language": "zxx",
    "expires": "Thu, 01 Jan 1970 00:00:00 GMT",
}
"""Headers of every download, in place of those that came with the upload: a presigned PUT takes more headers than were
signed, and S3 stores them. `zxx` is the language tag of what is in no language."""


UNKNOWN_SECONDS = 4 * 3600
"""For how long we sign with temporary credentials whose end is not known. Lambda puts such credentials into the
environment of functions without SnapStart, and AWS does not document how long they last. URLs signed with them were
seen to expire after 12 hours (https://github.com/boto/boto3/issues/2392), and Lambda replaces an environment every few
hours."""


class Credentials(NamedTuple):
    access_key: str
    secret_key: str
    token: str | None
    expires_at: float | None = None
    """When the session of temporary credentials ends, in seconds since the Unix epoch; None if it is not known, and for
    lasting ones."""

    def seconds_good(self, wanted: int, now: int) -> int:
        """Return for how many of the wanted seconds a signature made now is good: S3 refuses it (400 ExpiredToken) once
        the session has ended, whatever it says itself."""
        if self.expires_at is not None:
            return max(1, min(wanted, int(self.expires_at) - now))
        return min(wanted, UNKNOWN_SECONDS) if self.token else wanted


@dataclass(frozen=True)
class Place:
    """A bucket. In which style it is addressed, and where, is the SDK's decision."""

    url: str
    host: str
    path: str
    scope: tuple[str, ...]
    """Region, service and the end of every scope: for which a signature is good, beside its day."""


@lru_cache(maxsize=1)
def place_of(s3: Any, bucket: str) -> Place:
    """Read off a URL that the SDK makes."""
    url = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"}))
    path = url.path.removesuffix("/key")
    _, _, *scope = parse_qs(url.query)["X-Amz-Credential"][0].split("/")
    return Place(f"{url.scheme}://{url.netloc}{path}", _host(url), path, tuple(scope))


def presigned_get(
    place: Place, credentials: Credentials, key: str, disposition: str, content_type: str, seconds: int, now: int
) -> str:
    """Return a URL that is good for this many seconds from `now`. S3 answers it with this Content-Disposition and
    Content-Type, and the headers in SERVED."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    pen = _pen(credentials, moment[:8], place.scope)
    path = "/" + quote(key, safe="/")
    # In the order of their names, which is that in which they are signed.
    query = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={pen.credential}&X-Amz-Date={moment}"
        f"&X-Amz-Expires={seconds}{pen.token}&X-Amz-SignedHeaders=host"
        f"{_served('cache-control')}&response-content-disposition={quote(disposition, safe='')}"
        f"{_served('content-encoding')}{_served('content-language')}"
        f"&response-content-type={_quoted(content_type)}{_served('expires')}"
    )
    request = f"GET\n{place.path}{path}\n{query}\nhost:{place.host}\n\nhost\nUNSIGNED-PAYLOAD"
    return f"{place.url}{path}?{query}&X-Amz-Signature={pen.sign(moment, request)}"


def signed_post(
    credentials: Credentials, service: tuple[str, str], headers: dict[str, str], content: bytes
) -> dict[str, str]:
    """The headers of a POST to / with those that sign it; `service` is its region and name. Names in lower case."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    pen = _pen(credentials, moment[:8], (*service, "aws4_request"))
    headers = headers | {"x-amz-date": moment}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(headers))
    listed = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n/\n\n{listed}\n{names}\n{hashlib.sha256(content).hexdigest()}"
    signed = f"Credential={pen.key_id}/{pen.scope}, SignedHeaders={names}, Signature={pen.sign(moment, request)}"
    return headers | {"authorization": f"AWS4-HMAC-SHA256 {signed}"}


def presigned_connect(credentials: Credentials, region: str, host: str, user: str, now: int) -> str:
    """The token by which a user of the database signs in, good for a quarter of an hour; host with its port."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    pen = _pen(credentials, moment[:8], (region, "rds-db", "aws4_request"))
    query = (
        f"Action=connect&DBUser={quote(user, safe='')}&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={pen.credential}&X-Amz-Date={moment}&X-Amz-Expires=900{pen.token}&X-Amz-SignedHeaders=host"
    )
    request = f"GET\n/\n{query}\nhost:{host}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    return f"{host}/?{query}&X-Amz-Signature={pen.sign(moment, request)}"


@cache
def _served(header: str) -> str:
    return f"&response-{header}={quote(SERVED[header], safe='')}"


@lru_cache(maxsize=64)
def _quoted(content_type: str) -> str:
    return quote(content_type, safe="")


@dataclass(frozen=True)
class _Pen:
    """What a day's signatures have in common."""

    key: bytes
    scope: str
    key_id: str
    credential: str
    token: str

    def sign(self, moment: str, request: str) -> str:
        digest = hashlib.sha256(request.encode()).hexdigest()
        return _hmac(self.key, f"AWS4-HMAC-SHA256\n{moment}\n{self.scope}\n{digest}").hex()


@lru_cache(maxsize=6)
def _pen(credentials: Credentials, day: str, of_place: tuple[str, ...]) -> _Pen:
    scope = (day, *of_place)
    token = f"&X-Amz-Security-Token={quote(credentials.token, safe='')}" if credentials.token else ""
    return _Pen(
        key=reduce(_hmac, scope, b"AWS4" + credentials.secret_key.encode()),
        scope="/".join(scope),
        key_id=credentials.access_key,
        credential=quote("/".join((credentials.access_key, *scope)), safe=""),
        token=token,
    )


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _host(url: SplitResult) -> str:
    """As HTTP clients send it: without the port that its scheme implies."""
    implied = {"http": ":80", "https": ":443"}[url.scheme]
    return url.netloc.lower().removesuffix(implied)
