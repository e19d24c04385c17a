"""Settings, read once from the environment."""

import os
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, SecretStr, ValidationError


class SettingsError(Exception):
    """The environment lacks a setting or holds one that cannot be used; the message names each."""


Keyword = Annotated[str, Field(pattern="^[A-Za-z0-9]{1,64}$")]


def _parted(names: Any) -> Any:
    return tuple(name.strip() for name in names.split(",") if name.strip()) if isinstance(names, str) else names


class Settings(BaseModel):
    """Each field is the environment variable of the same name in capitals; those without a default are required."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper)

    database_url: SecretStr
    image_bucket: str = Field(min_length=3)
    access_log_table: str = Field(min_length=3)
    user_pool_arn: str = Field(min_length=1)

    default_role: Literal["viewers", "editors", "admins", "none"] = "editors"
    """The group that a person in none of the groups counts as; `none` refuses them."""
    allowed_origin: str = "*"
    problem_type_base: str = "https://tagged-image-manager.example/problems/"
    upload_url_seconds: PositiveInt = 3600
    download_url_seconds: PositiveInt = 3600
    access_log_days: PositiveInt = 365
    bin_days: PositiveInt = 30
    abandoned_days: PositiveInt = 7
    """An image whose file has not come so long after its last upload URL was given goes to the bin."""
    orphan_hours: PositiveInt = 24
    """An object that no image has is removed when it is older."""
    purge_limit: PositiveInt = 200
    """Images that one run of `purge` deletes for good at most."""
    inspection_queue: str | None = None
    """Where images wait to be inspected; without it nobody asks for inspections."""
    reject_unknown_files: bool = True
    """Whether a file that is no image of a known kind is refused; else it is kept, without attributes."""
    study_date: Literal["day", "month", "year", "none"] = "year"
    """How much of StudyDate is kept among the attributes. A day, with other knowledge, may tell who it was."""
    series_description: bool = False
    """Whether SeriesDescription, into which people write what they like, names too, is kept."""
    extra_attributes: Annotated[tuple[Keyword, ...], BeforeValidator(_parted)] = ()
    """Keywords of DICOM elements to keep beside those that always are; with commas between them in the environment.
    Everyone who may read images sees them: what identifies a patient does not belong here."""
    auto_tags: str = ""
    """Tags that images get by their attributes, as `modality:{Modality}|{BodyPartExamined}`."""
    identifier_key: SecretStr | None = Field(default=None, min_length=16)
    """Keys the hashes of study, series and instance UIDs among the attributes; without it none are kept. Whoever has it
    can find out whether an image that they know is here. Another key makes other hashes."""
    statement_timeout_seconds: PositiveInt = 20
    """PostgreSQL ends a statement after this; it stays below the gateway's 29 s, so that the caller gets our answer."""
    search_timeout_seconds: PositiveInt = 5
    """For looking up what a search names and finding its page, together; one that takes longer is refused as too
    broad."""
    count_timeout_milliseconds: PositiveInt = 300
    """For the total beside a page; one that takes longer is given as "at least"."""
    indexed_attributes: Annotated[tuple[Keyword, ...], BeforeValidator(_parted)] = (
        *("Modality", "BodyPartExamined", "Manufacturer", "PhotometricInterpretation", "TransferSyntaxUID"),
        *("Rows", "Columns", "NumberOfFrames", "StudyDate", "StudyInstanceUID", "SeriesInstanceUID"),
    )
    """Keywords of attributes that searches find as quickly as tags; with commas between them in the environment. A new
    one is so once the images that are there have been gone through in the background."""


@cache
def settings() -> Settings:
    """Raises SettingsError."""
    try:
        return Settings.model_validate(dict(os.environ))
    except ValidationError as error:
        wrong = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors(include_input=False))
        raise SettingsError(f"The environment is not set up: {wrong}") from None
