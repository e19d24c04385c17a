"""What no request asks for: storage events, schedules. Each function loads what it needs."""

from typing import TYPE_CHECKING

from chalicelib.loading import when_used

if not TYPE_CHECKING:
    __getattr__ = when_used(__name__)
