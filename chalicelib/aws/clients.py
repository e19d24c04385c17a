"""The SDK: its clients, made once a process and only when first needed, and whose credentials we sign with."""

import os
from functools import cache
from typing import Any

from chalicelib.aws.signing import Credentials


@cache
def session() -> Any:
    import boto3

    return boto3.Session()


def credentials() -> Credentials:
    """Those that the clients sign with just now. On Lambda they are in the environment and stay good for as long as the
    process lives, unless it was restored from a snapshot: then botocore fetches them, and renews them in time."""
    if (key := os.environ.get("AWS_ACCESS_KEY_ID")) and (secret := os.environ.get("AWS_SECRET_ACCESS_KEY")):
        return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN"))
    fetched = session().get_credentials().get_frozen_credentials()
    return Credentials(fetched.access_key, fetched.secret_key, fetched.token)


def forget() -> None:
    """The clients, and with them whose credentials they had."""
    session.cache_clear()
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
