"""The rules of the service. Loaded when first used, as what they use is."""

from typing import TYPE_CHECKING

from chalicelib.loading import when_used

if not TYPE_CHECKING:
    __getattr__ = when_used(__name__)
