"""Every SQL statement. Its modules are loaded when first used: SQLAlchemy takes longer than all else together."""

from typing import TYPE_CHECKING

from chalicelib.loading import when_used

if not TYPE_CHECKING:
    __getattr__ = when_used(__name__)
