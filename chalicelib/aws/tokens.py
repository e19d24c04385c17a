"""Signing in to the database as the function's own role, with no password anywhere."""

import time

from chalicelib.aws import signing
from chalicelib.aws.clients import credentials, region


def database_token(address: str, user: str) -> str:
    """Computed here, without asking anyone; `address` is the host with its port."""
    return signing.presigned_connect(credentials(), region(), address, user, int(time.time()))
