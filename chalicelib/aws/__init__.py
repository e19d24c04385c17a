"""Every call of AWS. Loaded when first used: the SDK takes its time."""

from typing import TYPE_CHECKING

from chalicelib.loading import when_used

if not TYPE_CHECKING:
    __getattr__ = when_used(__name__)
