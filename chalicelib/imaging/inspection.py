"""One file, looked at from its first bytes to its preview."""

import io
import logging
import warnings
from dataclasses import dataclass, field

from pydicom import config

from chalicelib.imaging import dicom, frames, headers, nifti, pictures, pixel_warnings, preview
from chalicelib.imaging.allowed import ALLOWED, DATE, IDENTIFIERS, NESTED
from chalicelib.imaging.kinds import DICOM, NIFTI, Kind
from chalicelib.imaging.limits import (
    MOST_INFLATED_FOR_ATTRIBUTES,
    MOST_READ_FOR_ATTRIBUTES,
    MOST_READ_FOR_PREVIEW,
    NoPreviewError,
)
from chalicelib.imaging.policy import Policy
from chalicelib.imaging.ranges import Fetch, Ranges, TooMuchReadError
from chalicelib.imaging.values import DAMAGED, Value

UNDECODABLE = "Its pixels cannot be decoded."


OF_FILES = {"Format", "DeclaredAs", "NoPreview", "PixelWarning", "HeaderWarning", "ColorMode", "Orientation"}
"""Attributes that are no elements of DICOM."""


@dataclass
class Findings:
    attributes: dict[str, Value] = field(default_factory=dict)
    preview: bytes | None = None
    no_preview: str | None = None
    """Why there is none, for a person."""


@dataclass(frozen=True)
class Subject:
    fetch: Fetch
    size: int
    head: bytes
    kind: Kind
    policy: Policy


def be_quiet() -> None:
    """What libraries say of a file may quote it, and a log is no place for patients."""
    config.settings.reading_validation_mode = config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    logging.getLogger("pylibjpeg").setLevel(logging.CRITICAL + 1)
    logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)
    warnings.simplefilter("ignore")


def possible_attributes(policy: Policy) -> set[str]:
    return {*ALLOWED, *NESTED, *IDENTIFIERS, DATE, *OF_FILES, *policy.extra}


def known_beforehand(kind: Kind) -> dict[str, Value]:
    """Returns the attributes that follow from the kind of file alone, however damaged the file is."""
    found: dict[str, Value] = {"Format": kind.name}
    return found if kind in (DICOM, NIFTI) else found | {"PixelWarning": [pixel_warnings.NOT_DICOM]}


def attributes(subject: Subject) -> dict[str, Value]:
    file = Ranges(subject.fetch, subject.size, MOST_READ_FOR_ATTRIBUTES, head=subject.head)
    return known_beforehand(subject.kind) | _attributes(file, subject)


def _attributes(file: io.IOBase, subject: Subject) -> dict[str, Value]:
    try:
        if subject.kind == DICOM:
            return dicom.attributes(headers.inflated(file, MOST_INFLATED_FOR_ATTRIBUTES), subject.policy)
        if subject.kind == NIFTI:
            return nifti.attributes(subject.head)
        return pictures.attributes(file, subject.kind)
    except Exception:  # noqa: BLE001 (a file can be wrong in any way, and is then without attributes)
        return {"HeaderWarning": DAMAGED}


def make_preview(subject: Subject) -> bytes:
    """Raises NoPreviewError, with a reason that quotes nothing of the file."""
    file = Ranges(subject.fetch, subject.size, MOST_READ_FOR_PREVIEW, strict=True, head=subject.head)
    try:
        return _preview(file, subject)
    except NoPreviewError:
        raise
    except TooMuchReadError:
        raise NoPreviewError("More of it would have to be read than a preview is worth.") from None
    except MemoryError:
        raise NoPreviewError("Its pixels take more memory than a preview may.") from None
    except NotImplementedError:
        raise NoPreviewError("Its transfer syntax is none that is decoded here.") from None
    except Exception:  # noqa: BLE001 (decoders fail in any way, and their words may quote the file)
        raise NoPreviewError(UNDECODABLE) from None


def _preview(file: io.IOBase, subject: Subject) -> bytes:
    if subject.kind == DICOM:
        return preview.encoded(*frames.middle_frame(file, subject.size))
    if subject.kind == NIFTI:
        return preview.encoded(*nifti.middle_slice(file, subject.head))
    return preview.encoded(pictures.picture(file, subject.kind))
