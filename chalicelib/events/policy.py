"""What the settings allow to be kept of a file. Wrong names are refused before any file is looked at."""

from collections.abc import Iterable

from chalicelib.config import Settings, SettingsError
from chalicelib.imaging import dicom
from chalicelib.imaging.inspection import possible_attributes
from chalicelib.imaging.policy import Policy
from chalicelib.services import inspections

CANNOT_BE_KEPT = (
    "{setting} names elements that cannot be kept: {names}. Remove them. Each must be the keyword of a DICOM element,"
    " and not of a person's name, a sequence or a binary value; StudyDate, StudyInstanceUID, SeriesInstanceUID and"
    " SOPInstanceUID have settings of their own."
)
IDENTIFYING = (
    "{setting} names elements that may identify people: {names}. Remove them, or move them to IDENTIFYING_ATTRIBUTES if"
    " everyone who may read images may see them."
)
NO_ATTRIBUTES = "{setting} names attributes that no image has: {names}. Correct or remove them."


def chosen_by(chosen: Settings) -> Policy:
    """Raises SettingsError, which names the setting, the words that are wrong in it, and what to do."""
    for name in ("extra_attributes", "identifying_attributes"):
        _refuse(CANNOT_BE_KEPT, name, dicom.unknown_keywords(getattr(chosen, name)))
    _refuse(IDENTIFYING, "extra_attributes", dicom.identifying_keywords(chosen.extra_attributes))
    policy = _policy(chosen)
    possible = possible_attributes(policy)
    _refuse(NO_ATTRIBUTES, "auto_tags", sorted(inspections.keywords(chosen.auto_tags) - possible))
    # A keyword of DICOM that is not kept, or no longer, may be indexed: images that were inspected under earlier
    # settings still have the attribute, and searches for it are to stay quick.
    indexed = [keyword for keyword in chosen.indexed_attributes if not dicom.is_keyword(keyword)]
    _refuse(NO_ATTRIBUTES, "indexed_attributes", [keyword for keyword in indexed if keyword not in possible])
    return policy


def _policy(chosen: Settings) -> Policy:
    extra, key = (*chosen.extra_attributes, *chosen.identifying_attributes), chosen.identifier_key
    return Policy(
        study_date=chosen.study_date,
        extra=(*extra, "SeriesDescription") if chosen.series_description else extra,
        identifier_key=key.get_secret_value().encode() if key else None,
    )


def _refuse(message: str, setting: str, wrong: Iterable[str]) -> None:
    if names := ", ".join(wrong):
        raise SettingsError(message.format(setting=setting.upper(), names=names))
