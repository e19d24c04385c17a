"""The SDK: its clients, made once a process and only when first needed, and whose credentials we sign with."""

import os
from functools import cache
from typing import Any

from chalicelib.aws.credentials import RateLimited, expires_at, refresh_early
from chalicelib.aws.signing import Credentials
from chalicelib.errors import Unavailable


@cache
def _loaded() -> Any:
    import boto3
    from botocore.exceptions import NoCredentialsError

    made = boto3.Session()
    source = made.get_credentials()
    if source is None:
        raise NoCredentialsError
    refresh_early(source)
    return made


session = RateLimited(_loaded)
"""Returns the SDK's session, whose credentials are loaded. Raises BotoCoreError when there are none to be had."""


def credentials() -> Credentials:
    """Return those that the clients sign with now. On Lambda they are in the environment and stay good for as long as
    the process lives, unless it was restored from a snapshot: then botocore fetches them, and renews them in time.
    Raise Unavailable when it cannot."""
    if (key := os.environ.get("AWS_ACCESS_KEY_ID")) and (secret := os.environ.get("AWS_SECRET_ACCESS_KEY")):
        return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN"))
    from botocore.exceptions import BotoCoreError

    try:
        fetched: Credentials = _fetched()
    except BotoCoreError as error:
        raise Unavailable("The service's own credentials are temporarily unavailable; try again.") from error
    return fetched


def _frozen() -> Credentials:
    source = session().get_credentials()
    source.get_frozen_credentials()  # which refreshes them if it is time
    ends = expires_at(source)  # read first: a refresh in between makes URLs end sooner, not announce too much
    frozen = source.get_frozen_credentials()
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token, ends)


_fetched = RateLimited(_frozen)


def forget() -> None:
    """The clients, and with them whose credentials they had."""
    session.forget()
    _fetched.forget()
    _loaded.cache_clear()
    s3.cache_clear()
    sqs.cache_clear()


def region() -> str:
    return os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]


@cache
def sqs() -> Any:
    from botocore.config import Config

    bounded = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
    return session().client("sqs", config=bounded)


@cache
def s3() -> Any:
    from botocore.config import Config

    # Signature version 4 and the bucket's own regional host: the default signs in the old way for the global host.
    own_host = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    # Below the gateway's 29 s, so that a caller hears from us when S3 does not answer.
    bounded = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
    return session().client("s3", config=own_host.merge(bounded))
