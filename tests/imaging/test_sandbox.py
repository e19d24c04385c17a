"""Whatever a file makes of its reader, it costs one process."""

import json
import os
import signal
import struct
import time
import zlib
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from chalicelib.imaging import inspection, sandbox
from chalicelib.imaging.inspection import Subject
from chalicelib.imaging.limits import MOST_FETCHES, MOST_READ_FOR_PREVIEW
from chalicelib.imaging.ranges import Ranges, TooMuchReadError
from tests.imaging.files import bundled, dicom, inspected, picture, subject


def png_bomb(side: int) -> bytes:
    """A picture of so many pixels across and down, in some kilobytes."""
    small = picture("PNG", (1, 1), "L")
    header = small.index(b"IHDR") + 4
    described = side.to_bytes(4, "big") * 2 + small[header + 8 : header + 13]
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()
    return small[:8] + b"".join(map(_chunk, (b"IHDR" + described, b"IDAT" + rows, b"IEND")))


def _chunk(content: bytes) -> bytes:
    return (len(content) - 4).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_picture_of_too_many_pixels_is_not_even_begun() -> None:
    begun = time.monotonic()

    found = inspected(png_bomb(20_000))

    assert found.attributes["Rows"] == 20_000
    assert found.no_preview == "Its 20000 x 20000 pixels are more than a preview is made of."
    assert time.monotonic() - begun < 5


def test_pixels_that_take_too_much_memory_leave_the_attributes() -> None:
    found = inspected(png_bomb(7_000), memory=40_000_000)

    assert found.attributes["Rows"] == 7_000
    assert found.no_preview == "Its pixels take more memory than a preview may."


def test_a_header_that_claims_few_pixels_does_not_let_many_be_decoded() -> None:
    """The decoder goes by the JPEG 2000 stream, which says what it likes."""
    found = inspected(bundled("JPEG2000-embedded-sequence-delimiter.dcm"))

    assert found.attributes["Modality"] == "NM"
    assert found.no_preview == inspection.UNDECODABLE


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
