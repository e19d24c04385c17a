"""boto3 clients, made once a process and only when first needed."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config


@cache
def session() -> Any:
    return boto3.Session()


def credentials() -> Any:
    """Those that the clients sign with just now; botocore renews them in time."""
    return session().get_credentials().get_frozen_credentials()


@cache
def s3() -> Any:
    # Signature version 4 and the bucket's own regional host: the default signs in the old way for the global host.
    own_host = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    # Below the gateway's 29 s, so that a caller hears from us when S3 does not answer.
    bounded = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
    return session().client("s3", config=own_host.merge(bounded))


@cache
def dynamodb() -> Any:
    # Short: a request waits for its access-log record, and goes on without it rather than time out.
    quick = Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 2})
    return session().client("dynamodb", config=quick)
