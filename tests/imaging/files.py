"""Files to look into, and what is found in them."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from chalicelib.imaging import sandbox
from chalicelib.imaging.inspection import Findings, Subject, attributes
from chalicelib.imaging.kinds import HEAD_BYTES, kind_of
from chalicelib.imaging.policy import Policy

CT_STORAGE = UID("1.2.840.10008.5.1.4.1.1.2")
USUAL = Policy()
KEY = b"a key that only this test knows"


@dataclass
class Watched:
    """A file that notes which parts of it are fetched."""

    content: bytes
    fetched: list[tuple[int, int]] = field(default_factory=list)

    def fetch(self, offset: int, length: int) -> bytes:
        self.fetched.append((offset, length))
        return self.content[offset : offset + length]

    @property
    def bytes_fetched(self) -> int:
        return sum(length for _, length in self.fetched)


def bundled(name: str) -> bytes:
    """One that comes with pydicom."""
    return Path(str(get_testdata_file(name, download=False))).read_bytes()


def subject(content: bytes | Watched, policy: Policy = USUAL) -> Subject:
    watched = content if isinstance(content, Watched) else Watched(content)
    head = watched.fetch(0, HEAD_BYTES)[:HEAD_BYTES]
    kind = kind_of(head)
    assert kind is not None
    return Subject(watched.fetch, len(watched.content), head, kind, policy)


def read(content: bytes | Watched, policy: Policy = USUAL) -> dict[str, Any]:
    return attributes(subject(content, policy))


def inspected(content: bytes | Watched, **limits: Any) -> Findings:
    return sandbox.inspect(subject(content), **limits)


def dataset(syntax: UID = ExplicitVRLittleEndian, **elements: Any) -> FileDataset:
    """A CT of 4 x 4 pixels, unless told otherwise."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CT_STORAGE, generate_uid()
    made = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    described = {
        "SOPClassUID": CT_STORAGE,
        "Modality": "CT",
        "Rows": 4,
        "Columns": 4,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelData": np.arange(16, dtype="<u2").tobytes(),
    }
    for keyword, value in (described | elements).items():
        setattr(made, keyword, value)
    return made


def written(made: Dataset) -> bytes:
    output = io.BytesIO()
    made.save_as(output, enforce_file_format=True)
    return output.getvalue()


def dicom(**elements: Any) -> bytes:
    return written(dataset(**elements))


def picture(kind: str, size: tuple[int, int] = (6, 4), mode: str = "RGB", **options: Any) -> bytes:
    output = io.BytesIO()
    Image.new(mode, size, 128 if mode in ("L", "I;16") else (200, 40, 40)[: len(mode)]).save(output, kind, **options)
    return output.getvalue()


def pixels(preview: bytes | None) -> Any:
    assert preview is not None
    return np.asarray(Image.open(io.BytesIO(preview)).convert("RGB")).astype(int)
