"""What is wrong with the settings, found out before anything starts."""

from chalicelib.config import SettingsError, settings
from chalicelib.events import policy

_NAMING = {"extra_attributes", "identifying_attributes", "auto_tags", "indexed_attributes"}
"""Settings that name attributes. To check the names takes imaging libraries, which take long to load."""


def complaint() -> str | None:
    """Return what is wrong with the settings, or None."""
    try:
        chosen = settings()
        if _NAMING & chosen.model_fields_set:
            policy.chosen_by(chosen)
    except SettingsError as error:
        return str(error)
    return None
