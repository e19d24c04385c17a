"""Whatever a file makes of its reader, it costs one process."""

import io
import json
import os
import resource
import signal
import struct
import time
import zlib
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless

from chalicelib.imaging import inspection, sandbox
from chalicelib.imaging.inspection import Subject
from chalicelib.imaging.limits import MOST_FETCHES, MOST_PARTS, MOST_READ_FOR_PREVIEW, MOST_SCANS
from chalicelib.imaging.pixel_warnings import NOT_DICOM
from chalicelib.imaging.ranges import Ranges, TooMuchReadError
from tests.imaging.files import bundled, dataset, dicom, inspected, picture, subject, written


def png_bomb(side: int, mode: str = "L") -> bytes:
    """A picture of so many pixels across and down, in some kilobytes."""
    small = picture("PNG", (1, 1), mode)
    header = small.index(b"IHDR") + 4
    described = side.to_bytes(4, "big") * 2 + small[header + 8 : header + 13]
    packer, row = zlib.compressobj(9), bytes((2 if mode == "I;16" else 1) * side + 1)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return small[:8] + b"".join(map(_chunk, (b"IHDR" + described, b"IDAT" + rows, b"IEND")))


def _chunk(content: bytes) -> bytes:
    return (len(content) - 4).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")


def encoded(form: str, side: int, **options: Any) -> bytes:
    """A compressed grey picture."""
    output = io.BytesIO()
    Image.new("L", (side, side), 100).save(output, form, **options)
    return output.getvalue()


def compressed_dicom(stream: bytes, syntax: UID, side: int) -> bytes:
    """A DICOM file whose header declares a side, around a compressed stream that may have another."""
    made = dataset(syntax, Rows=side, Columns=side, BitsAllocated=8, BitsStored=8, HighBit=7)
    made.PixelData = encapsulate([stream])
    made["PixelData"].VR = "OB"
    return written(made)


def many_scans(count: int) -> bytes:
    """A progressive JPEG of 64 x 64 pixels, whose last scan is followed by as many nearly empty ones."""
    content = encoded("JPEG", 64, progressive=True)
    last = content.rindex(b"\xff\xda")
    header = content[last : last + 2 + int.from_bytes(content[last + 2 : last + 4], "big")]
    return content[:-2] + (header + b"\x7f") * count + content[-2:]


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_picture_of_too_many_pixels_is_not_even_begun() -> None:
    found = inspected(png_bomb(20_000), of_cpu=1)

    assert found.attributes["Rows"] == 20_000
    assert found.no_preview == "Its 20000 x 20000 pixels are more than a preview is made of."


def test_pixels_that_take_too_much_memory_leave_the_attributes() -> None:
    """Even where the process that forks has much memory that is free to use again, whatever ran before."""
    freed = [bytes(60_000) for _ in range(3_000)]
    kept = bytes(60_000)
    del freed

    found = inspected(png_bomb(7_900, "I;16"), memory=40_000_000)

    assert len(kept) == 60_000
    assert found.attributes["Rows"] == 7_900
    assert found.no_preview == "Its pixels take more memory than a preview may."


JPEG_2000, JPEG_SCAN = encoded("JPEG2000", 1500, no_jp2=True), encoded("JPEG", 1500)


@pytest.mark.parametrize(
    ("stream", "syntax", "own"),
    [
        (JPEG_2000, JPEG2000Lossless, "1500 x 1500"),
        (JPEG_SCAN, JPEGBaseline8Bit, "1500 x 1500"),
        (
            get_frame(dcmread(io.BytesIO(bundled("MR_small_jpeg_ls_lossless.dcm"))).PixelData, 0),
            JPEGLSLossless,
            "64 x 64",
        ),
    ],
    ids=["JPEG 2000", "JPEG", "JPEG-LS"],
)
def test_a_header_that_claims_few_pixels_does_not_let_many_be_decoded(stream: bytes, syntax: UID, own: str) -> None:
    """A decoder goes by the stream, which may have any size."""
    found = inspected(compressed_dicom(stream, syntax, 32))

    assert found.attributes["Rows"] == 32
    assert found.no_preview == f"Its header declares 32 x 32 pixels, but the compressed image has {own}."


@pytest.mark.parametrize(
    ("stream", "syntax"),
    [
        (JPEG_2000.replace(struct.pack(">LL", 1500, 1500), struct.pack(">LL", 60_000, 60_000)), JPEG2000Lossless),
        (JPEG_SCAN.replace(struct.pack(">HH", 1500, 1500), struct.pack(">HH", 60_000, 60_000)), JPEGBaseline8Bit),
    ],
    ids=["JPEG 2000", "JPEG"],
)
def test_a_stream_of_too_many_pixels_is_not_decoded_whatever_its_header_claims(stream: bytes, syntax: UID) -> None:
    found = inspected(compressed_dicom(stream, syntax, 64))

    assert found.no_preview == "Its 60000 x 60000 pixels are more than a preview is made of."


def test_a_small_code_stream_before_the_large_one_does_not_let_it_be_decoded() -> None:
    """A decoder of JP2 skips boxes that it does not know, whatever they hold."""
    wrapped = encoded("JPEG2000", 64)
    start = wrapped.index(b"jp2c") - 4
    content = wrapped[start:].replace(struct.pack(">LL", 64, 64), struct.pack(">LL", 30_000, 30_000), 1)
    box = b"uuid" + bytes(16) + wrapped[start + 8 : start + 200]
    decoy = (len(box) + 4).to_bytes(4, "big") + box

    found = inspected(compressed_dicom(wrapped[:start] + decoy + content, JPEG2000Lossless, 64))

    assert found.no_preview == "Its 30000 x 30000 pixels are more than a preview is made of."
    assert inspected(compressed_dicom(wrapped[:start] + decoy + wrapped[start:], JPEG2000Lossless, 64)).preview


def test_a_stream_of_the_size_that_its_header_claims_is_shown() -> None:
    for stream, syntax in ((JPEG_2000, JPEG2000Lossless), (JPEG_SCAN, JPEGBaseline8Bit)):
        assert inspected(compressed_dicom(stream, syntax, 1500)).preview is not None


@pytest.mark.parametrize("is_dicom", [False, True], ids=["a picture", "DICOM"])
def test_a_jpeg_of_a_hundred_thousand_scans_is_not_decoded(*, is_dicom: bool) -> None:
    content = many_scans(150_000)

    found = inspected(compressed_dicom(content, JPEGBaseline8Bit, 64) if is_dicom else content)

    assert found.attributes["Format"] == ("DICOM" if is_dicom else "JPEG")
    assert found.no_preview == f"It has more than {MOST_SCANS} scans, which take too long to decode."
    assert inspected(many_scans(10)).preview is not None


@pytest.mark.parametrize(
    "content",
    [
        encoded("JPEG", 64)[:-2] + b"\xff\xfe\0\2" * MOST_PARTS + b"\xff\xd9",
        encoded("PNG", 64)[:-12] + _chunk(b"teSt") * MOST_PARTS + _chunk(b"IEND"),
    ],
    ids=["JPEG", "PNG"],
)
def test_a_picture_of_too_many_parts_is_not_decoded(content: bytes) -> None:
    found = inspected(content)

    assert found.attributes["Rows"] == 64
    assert found.no_preview == f"It has more than {MOST_PARTS} parts, which take too long to read."


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), sandbox.BROKEN),
        (lambda: time.sleep(60), sandbox.TOO_LONG),
        (lambda: os._exit(0), sandbox.BROKEN),
    ],
    ids=["is killed", "hangs", "leaves"],
)
def test_a_decoder_that_breaks_or_hangs_costs_its_process_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, end: Any, reason: str
) -> None:
    def make_preview(_: Subject) -> bytes:
        end()
        return b""

    monkeypatch.setattr(inspection, "make_preview", make_preview)
    before = children()

    found = inspected(dicom(), seconds=1)

    assert (found.attributes["Modality"], found.preview, found.no_preview) == ("CT", None, reason)
    assert children() == before


@pytest.mark.parametrize(
    ("content", "known"),
    [
        (encoded("PNG", 64), {"Format": "PNG", "PixelWarning": [NOT_DICOM]}),
        (dicom(), {"Format": "DICOM"}),
    ],
    ids=["a picture", "DICOM"],
)
def test_what_breaks_while_attributes_are_read_keeps_what_is_known_beforehand(
    monkeypatch: pytest.MonkeyPatch, content: bytes, known: dict[str, Any]
) -> None:
    monkeypatch.setattr(inspection, "attributes", lambda _: os._exit(0))

    found = inspected(content)

    assert (found.attributes, found.no_preview) == (known, sandbox.BROKEN)


def test_a_decoder_that_computes_for_too_long_is_ended_however_busy_the_machine_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def compute(_: Subject) -> bytes:
        while True:
            pass

    monkeypatch.setattr(inspection, "make_preview", compute)
    before, used = children(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime

    found = inspected(dicom(), of_cpu=1, seconds=60)

    assert (found.attributes["Modality"], found.no_preview) == ("CT", sandbox.TOO_LONG)
    assert children() == before
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used < 3


def test_a_file_that_cannot_be_fetched_is_no_fault_of_its_own() -> None:
    def fetch(_: int, __: int) -> bytes:
        raise ConnectionError("the storage is away")

    whole = subject(bundled("CT_small.dcm"))
    before = children()

    with pytest.raises(ConnectionError):
        sandbox.inspect(Subject(fetch, whole.size, whole.head, whole.kind, whole.policy))

    assert children() == before


def test_who_leaps_about_in_a_file_does_so_a_thousand_times_and_no_more() -> None:
    file = Ranges(lambda _, length: bytes(length), 10**12, MOST_READ_FOR_PREVIEW, strict=True)

    def leap(times: int) -> None:
        for number in range(times):
            file.seek(number * 10**8)
            assert file.read(1) == b"\0"

    leap(MOST_FETCHES)
    with pytest.raises(TooMuchReadError):
        leap(1)


def test_the_time_that_the_storage_takes_is_not_the_files() -> None:
    whole = subject(dicom(Rows=300, Columns=300, PixelData=bytes(180_000)))

    def fetch(offset: int, length: int) -> bytes:
        time.sleep(1.2)
        return whole.fetch(offset, length)

    found = sandbox.inspect(replace(whole, fetch=fetch), seconds=1)

    assert found.preview is not None


def test_a_storage_that_takes_too_long_is_to_be_asked_again() -> None:
    whole = subject(dicom(Rows=300, Columns=300, PixelData=bytes(180_000)))

    def fetch(offset: int, length: int) -> bytes:
        time.sleep(0.2)
        return whole.fetch(offset, length)

    before = children()

    with pytest.raises(TimeoutError, match="storage"):
        sandbox.inspect(replace(whole, fetch=fetch), of_fetching=0.1)

    assert children() == before


@pytest.mark.parametrize("misdeed", ["says half a word", "does not hear the answer"])
def test_a_child_that_stops_amid_a_message_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, misdeed: str) -> None:
    def run(_: Subject, ours: Connection, theirs: Connection, *__: Any) -> None:
        ours.close()
        if misdeed == "says half a word":
            os.write(theirs.fileno(), struct.pack("!i", 1000) + b"A")
        else:
            theirs.send_bytes(b"R" + struct.pack("<QQ", 0, 8 * 1024**2))
        time.sleep(60)

    monkeypatch.setattr(sandbox, "_run", run)
    begun = time.monotonic()

    found = inspected(dicom(Rows=2000, Columns=2000, PixelData=bytes(8_000_000)), seconds=0.5)

    assert found.no_preview == sandbox.TOO_LONG
    assert time.monotonic() - begun < 10


def test_what_the_child_says_is_json_and_no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "attributes", lambda _: {"Format": "DICOM", "seen": ["x", 1]})

    found = inspected(dicom())

    assert found.attributes == json.loads(json.dumps(found.attributes)) == {"Format": "DICOM", "seen": ["x", 1]}


@pytest.mark.parametrize("said", ["{" * 100_000, "x", '{"Rows": NaN}', '{"Rows": -Infinity}'])
def test_a_child_that_talks_nonsense_is_broken(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setattr(json, "dumps", lambda _: said)

    found = inspected(dicom())

    assert (found.attributes, found.no_preview) == ({"Format": "DICOM"}, sandbox.BROKEN)


def test_libraries_say_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("JPEG2000-embedded-sequence-delimiter.dcm", "badVR.dcm", "MR_truncated.dcm"):
        inspected(bundled(name))

    assert "".join(capfd.readouterr()) == ""
