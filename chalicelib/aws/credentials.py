"""Fetching credentials in time, and not too often."""

import time
from collections.abc import Callable
from typing import Any

from chalicelib.telemetry import logger

EARLY_SECONDS = 75 * 60
"""Credentials are refreshed when they are valid for less: a URL then nearly always has its hour."""

PAUSE_SECONDS = 2
"""Between two requests for credentials. The endpoint may have no newer ones yet, and botocore would ask again for every
signature; or it may not answer, which botocore finds out within 3 to 9 seconds."""


class RateLimited:
    """Calls a function at most every `PAUSE_SECONDS`; meanwhile returns what it returned, or raises what it raised, as
    CredentialRetrievalError, which is a BotoCoreError."""

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self._fetch = fetch
        self._fetched_at = float("-inf")
        self._answer: Any = None

    def __call__(self) -> Any:
        # Not the monotonic clock, which stands still while Lambda has the process frozen.
        if not 0 <= time.time() - self._fetched_at < PAUSE_SECONDS:
            self._answer = self._fetch_now()
            self._fetched_at = time.time()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def forget(self) -> None:
        self._fetched_at = float("-inf")

    def _fetch_now(self) -> Any:
        from botocore.exceptions import BotoCoreError, CredentialRetrievalError

        try:
            return self._fetch()
        except BotoCoreError as error:
            failure: Exception = error
        except (KeyError, ValueError, OSError, RuntimeError) as error:  # what else botocore raises
            failure = CredentialRetrievalError(provider="container", error_msg=repr(error))
            failure.__cause__ = error
        logger.warning("credentials could not be fetched", reason=repr(failure))
        return failure


def refresh_early(source: Any) -> None:
    """Let botocore ask for new credentials `EARLY_SECONDS` before the end instead of 15 minutes, and not too often. Its
    own container provider has no public way to set this."""
    from botocore.credentials import RefreshableCredentials

    if isinstance(source, RefreshableCredentials):
        fetch = source._refresh_using
        fetched = RateLimited(lambda: _unexpired(fetch()))
        source._refresh_using = lambda: _fetched_or_held(source, fetched)
        source._advisory_refresh_timeout = EARLY_SECONDS


def _fetched_or_held(source: Any, fetched: RateLimited) -> dict[str, Any]:
    """Return new credentials, or those that the source holds as long as they are valid: given an error, botocore would
    log a traceback for each signature, and use none of their last ten minutes."""
    from botocore.exceptions import BotoCoreError

    try:
        metadata: dict[str, Any] = fetched()
    except BotoCoreError:
        if source._expiry_time.timestamp() <= time.time():
            raise
        held = source._frozen_credentials
        metadata = {
            "access_key": held.access_key,
            "secret_key": held.secret_key,
            "token": held.token,
            "expiry_time": source._expiry_time.isoformat(),
        }
    return metadata


def expires_at(source: Any) -> float | None:
    """Return when credentials of botocore end, in seconds since the Unix epoch; None for lasting ones."""
    moment = getattr(source, "_expiry_time", None)
    return None if moment is None else float(moment.timestamp())


def _unexpired(metadata: dict[str, Any]) -> dict[str, Any]:
    """Raise ValueError for credentials that have ended: botocore would take them in, and only then complain."""
    from botocore.utils import parse_timestamp

    if parse_timestamp(metadata["expiry_time"]).timestamp() <= time.time():
        raise ValueError("the credentials that were fetched have expired")
    return metadata
