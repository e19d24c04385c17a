"""Real files of the sizes that clients upload."""

from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file

JPEG = b"\xff\xd8\xff\xd9"
"""The least that passes for a picture: a JPEG's beginning and its end. With anything behind it, it still does."""


def multi_frame_dicom(path: Path, size: int) -> Path:
    """A CT of as many frames as make about this many bytes, no two frames alike."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    frame = len(dataset.PixelData)
    frames = size // frame
    dataset.NumberOfFrames = frames
    dataset.PixelData = b"".join(number.to_bytes(4, "little") + dataset.PixelData[4:] for number in range(frames))
    dataset.save_as(path)
    return path
