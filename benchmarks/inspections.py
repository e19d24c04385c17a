"""How many files a second one worker inspects, beside pydicom's bare reading; what a large file costs.

    .venv/bin/python benchmarks/inspections.py

Everything but the storage: files lie in memory. (Not named inspect.py: as the directory of a script comes first on
Python's path, every benchmark would import it in place of the standard library's module.)
"""

import io
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pydicom
import pydicom.data

sys.path.insert(0, str(Path(__file__).parents[1]))

from chalicelib.imaging import sandbox
from chalicelib.imaging.inspection import Subject, attributes, make_preview
from chalicelib.imaging.kinds import DICOM, HEAD_BYTES
from chalicelib.imaging.limits import NoPreviewError
from chalicelib.imaging.policy import Policy
from tests.files import multi_frame_dicom

SECONDS = 3.0
LARGE = 35_000_000


class File:
    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.fetched = 0

    def fetch(self, offset: int, length: int) -> bytes:
        self.fetched += min(length, len(self.content) - offset)
        return self.content[offset : offset + length]

    def subject(self) -> Subject:
        size = len(self.content)
        return Subject(self.fetch, size, self.fetch(0, HEAD_BYTES), DICOM, Policy(identifier_key=b"k" * 32))


def rate(work: Callable[[File], object], files: Iterable[File]) -> float:
    """Files a second."""
    files, done, begun = list(files), 0, time.perf_counter()
    while time.perf_counter() - begun < SECONDS:
        for file in files:
            work(file)
        done += len(files)
    return done / (time.perf_counter() - begun)


def header(file: File) -> None:
    pydicom.dcmread(io.BytesIO(file.content), stop_before_pixels=True)


def pixels(file: File) -> None:
    _ = pydicom.dcmread(io.BytesIO(file.content)).pixel_array


def preview(file: File) -> None:
    with suppress(NoPreviewError):
        make_preview(file.subject())


WORK: dict[str, Callable[[File], object]] = {
    "pydicom: header": header,
    "ours: attributes": lambda file: attributes(file.subject()),
    "pydicom: header and pixels": pixels,
    "ours: preview": preview,
    "ours: all, in a process of its own": lambda file: sandbox.inspect(file.subject()),
}


def samples(directory: Path) -> dict[str, list[File]]:
    place = Path(pydicom.data.__file__).parent / "test_files"
    names = ["CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "examples_overlay.dcm", "examples_ybr_color.dcm"]
    names += ["examples_jpeg2k.dcm", "SC_rgb_jpeg_gdcm.dcm", "MR_small_jpeg_ls_lossless.dcm"]
    return {
        "8 small files": [File(place / name) for name in names],
        "35 MB, 1068 frames": [File(multi_frame_dicom(directory / "large.dcm", LARGE))],
    }


def memory(path: Path, code: str) -> float:
    """The most that a new process has had, in MB, when it has run this on a file."""
    script = f"""
import re, sys
from chalicelib.imaging.inspection import Subject, attributes, make_preview
from chalicelib.imaging.kinds import DICOM
from chalicelib.imaging.policy import Policy
file = open(sys.argv[1], "rb")
def fetch(offset, length):
    file.seek(offset)
    return file.read(length)
subject = Subject(fetch, file.seek(0, 2), fetch(0, 32768), DICOM, Policy())
{code}
print(open("/proc/self/status").read())
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    found = re.search(r"VmHWM:\s+(\d+)", done.stdout)
    assert found is not None
    return int(found[1]) / 1000


def main() -> None:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as directory:
        found = samples(Path(directory))
        print(f"{'files a second':36}" + "".join(f"{name:>22}" for name in found))
        for name, work in WORK.items():
            print(f"{name:36}" + "".join(f"{rate(work, files):22.1f}" for files in found.values()))
        (large,) = list(found.values())[-1]
        path = Path(directory) / "large.dcm"
        for name, code in (
            ("nothing", ""),
            ("attributes", "attributes(subject)"),
            ("preview", "make_preview(subject)"),
        ):
            print(f"35 MB, {name:12} most memory {memory(path, code):8.1f} MB")
        for name in ("ours: attributes", "ours: preview"):
            large.fetched = 0
            WORK[name](large)
            print(f"35 MB, {name:20} {large.fetched:10} bytes read")


if __name__ == "__main__":
    main()
