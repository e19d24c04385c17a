"""Puts the front before the emulator, in the emulator's own process."""

import os
from typing import Any

from local import own_hosts
from local.emulator import ACCOUNT
from local.front import keys
from local.front.app import Front, service_of_request
from local.front.head import Head
from local.front.rules import Rules, bucket_of
from local.front.sessions import Sessions


def install(emulator: Any) -> None:
    """`emulator` is the module `ministack.app`; the settings are in the environment, which the emulator reads too."""
    os.umask(0o077)  # it writes the keys that sign tokens
    port = int(os.environ["GATEWAY_PORT"])
    services = tuple(os.environ["SERVICES"].split(","))
    allowed = Rules(services, frozenset(own_hosts(port)), os.environ["MINISTACK_REGION"])
    known = keys.root(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    if "sts" in services:
        known = keys.with_sessions(known)
    sessions = Sessions(os.environ["AWS_SECRET_ACCESS_KEY"])
    known = keys.with_service(known, sessions, ACCOUNT)
    emulator.app = Front(emulator.app, allowed, known, sessions, _headers_for_page)
    _pin_service(emulator)


def _pin_service(emulator: Any) -> None:
    """It looks for the service in headers and bodies that need not be signed, as a form with a parameter Action."""
    detect = emulator.detect_service
    emulator.detect_service = lambda *request: service_of_request.get() or detect(*request)


def _headers_for_page(head: Head) -> dict[str, str]:
    from ministack.services import s3  # noqa: PLC0415  only now that the emulator has set itself up

    headers = {name: values[0] for name, values in head.headers.items()}
    found: dict[str, str] = s3.cors_response_headers(bucket_of(head.path), head.method, headers)
    return found
