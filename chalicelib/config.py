"""Settings, read once from the environment."""

import os
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator


class SettingsError(Exception):
    """The environment lacks a setting or holds one that cannot be used; the message names each."""


Keyword = Annotated[str, Field(pattern="^[A-Za-z0-9]{1,64}$")]


Days = Annotated[int, Field(ge=1, le=36_500)]
"""Up to a hundred years: what adds them to a date must not end beyond the last one."""
GATEWAY_SECONDS = 29
"""API Gateway waits no longer for an answer."""
UrlSeconds = Annotated[int, Field(ge=1, le=604_800)]
"""Signature version 4 allows a week; the storage refuses every URL that is signed for longer."""


def _parted(names: Any) -> Any:
    return tuple(name.strip() for name in names.split(",") if name.strip()) if isinstance(names, str) else names


Keywords = Annotated[tuple[Keyword, ...], Field(max_length=100), BeforeValidator(_parted)]
CallerId = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,128}$")]
CallerIds = Annotated[tuple[CallerId, ...], Field(max_length=100), BeforeValidator(_parted)]


class Settings(BaseModel):
    """Each field is the environment variable of the same name in capitals; those without a default are required."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper)

    database_url: SecretStr = Field(min_length=1)
    image_bucket: str = Field(pattern="^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    access_log_table: str = Field(pattern="^[A-Za-z0-9_.-]{3,255}$")
    user_pool_arn: str = Field(min_length=1)

    default_role: Literal["viewers", "editors", "admins", "none"] = "editors"
    """The group that a person in none of the groups counts as; `none` refuses them."""
    denied_callers: CallerIds = ()
    """The `sub` of people and ids of clients who are refused, whatever their tokens permit: an access token cannot be
    revoked, and is valid for an hour. With commas between them in the environment."""
    allowed_origin: str = Field(default="*", pattern=r"^(\*|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?)$")
    """Scheme and host, without a path and without a slash at the end, as browsers send it."""
    problem_type_base: str = Field(
        default="https://tagged-image-manager.example/problems/", pattern=r"^https?://[^\s]+[/#]$"
    )
    upload_url_seconds: UrlSeconds = 3600
    download_url_seconds: UrlSeconds = 3600
    access_log_days: Days = 365
    bin_days: Days = 30
    abandoned_days: Days = 7
    """An image whose file has not come so long after its last upload URL was given goes to the bin."""
    orphan_hours: int = Field(default=24, ge=1, le=876_000)
    """An object that no image has is removed when it is older."""
    purge_limit: int = Field(default=200, ge=1, le=100_000)
    """The most images that one run of `purge` deletes permanently; also the most uploads that it ends, and the most
    that it abandons."""
    inspection_queue: str | None = Field(default=None, pattern=r"^(https?://[^\s]+)?$")
    """Where images wait to be inspected; without it nobody asks for inspections."""
    reject_unknown_files: bool = True
    """Whether a file that is no image of a known kind is refused; otherwise it is kept, with only the attribute
    `Format` (`unknown`)."""
    study_date: Literal["day", "month", "year", "none"] = "year"
    """How much of StudyDate is kept among the attributes. A day, with other knowledge, may tell who it was."""
    series_description: bool = False
    """Whether SeriesDescription, into which people write what they like, names too, is kept."""
    extra_attributes: Keywords = ()
    """Keywords of DICOM elements to keep beside those that always are; with commas between them in the environment. An
    element that may identify people is refused here."""
    identifying_attributes: Keywords = ()
    """Keywords of DICOM elements to keep although they identify people, or may (PS3.15, table E.1-1; dates, times and
    UIDs). Everyone who may read images sees them."""
    auto_tags: str = Field(default="", max_length=10_000, pattern=r"^([^{}]|\{[A-Za-z0-9]{1,64}\})*$")
    """Tags that images get by their attributes, as `modality:{Modality}|{BodyPartExamined}`."""
    identifier_key: SecretStr | None = Field(default=None, min_length=16)
    """Keys the hashes of study, series and instance UIDs among the attributes; without it none are kept. Whoever has it
    can find out whether an image that they know is here. Another key makes other hashes."""
    statement_timeout_seconds: int = Field(default=20, ge=1, le=28)
    """PostgreSQL ends a statement after this; it stays below the gateway's 29 s, so that the caller gets our answer."""
    search_timeout_seconds: int = Field(default=5, ge=1, le=28)
    """For looking up what a search names and finding its page, together; one that takes longer is refused as too
    broad."""
    count_timeout_milliseconds: int = Field(default=300, ge=1, le=28_000)
    """For the total beside a page; one that takes longer is given as "at least"."""
    indexed_attributes: Keywords = (
        *("Modality", "BodyPartExamined", "Manufacturer", "PhotometricInterpretation", "TransferSyntaxUID"),
        *("Rows", "Columns", "NumberOfFrames", "StudyDate", "StudyInstanceUID", "SeriesInstanceUID"),
    )
    """Keywords of attributes that searches find as quickly as tags; with commas between them in the environment. A new
    one is so once the images that are there have been gone through in the background."""

    @model_validator(mode="after")
    def _outlives(self) -> "Settings":
        if self.abandoned_days * 86_400 < self.upload_url_seconds:
            raise ValueError("ABANDONED_DAYS must not be shorter than UPLOAD_URL_SECONDS: raise it, or lower the other")
        return self

    @model_validator(mode="after")
    def _answers_in_time(self) -> "Settings":
        if self.search_timeout_seconds * 1000 + self.count_timeout_milliseconds >= GATEWAY_SECONDS * 1000:
            raise ValueError(
                "SEARCH_TIMEOUT_SECONDS and COUNT_TIMEOUT_MILLISECONDS together must be below the gateway's"
                f" {GATEWAY_SECONDS} seconds: lower one of them"
            )
        return self


@cache
def settings() -> Settings:
    """Raises SettingsError."""
    try:
        return Settings.model_validate(dict(os.environ))
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        wrong = "; ".join(": ".join([*map(str, problem["loc"][:1]), problem["msg"]]) for problem in problems)
        raise SettingsError(f"The environment is not set up: {wrong}") from None
