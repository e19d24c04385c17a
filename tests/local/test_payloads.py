"""Bodies in signed chunks, by the example in the documentation of S3."""

import pytest

from local.front.payloads import Chain, Chunked
from local.front.refusals import RefusedCall
from local.front.signatures import Signature

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HEAD = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
CHUNKS = [
    (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1_024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
]
BODY = b"".join(b"%x;chunk-signature=%s\r\n%s\r\n" % (size, value.encode(), b"a" * size) for size, value in CHUNKS)


def payload() -> Chunked:
    day, moment = "20130524", "20130524T000000Z"
    signature = Signature("AKIAIOSFODNN7EXAMPLE", day, "us-east-1", "s3", "host", HEAD, moment, "", None)
    return Chunked(Chain(signature.key(SECRET), signature, HEAD), frozenset())


def take(body: bytes, size: int) -> None:
    taken = payload()
    for start in range(0, len(body), size):
        taken.feed(body[start : start + size])
    taken.finish()


@pytest.mark.parametrize("size", [1, 2, 85, 86, 87, 1000, 65_536, len(BODY)])
def test_the_example_is_taken_however_it_is_cut(size: int) -> None:
    take(BODY, size)


@pytest.mark.parametrize("at", [0, 5, 30, 90, 65_700, len(BODY) - 60])
def test_with_one_byte_changed_it_is_not(at: int) -> None:
    changed = BODY[:at] + (b"b" if BODY[at : at + 1] != b"b" else b"c") + BODY[at + 1 :]

    with pytest.raises(RefusedCall):
        take(changed, 1000)


@pytest.mark.parametrize("length", [0, 10, 86, 60_000, len(BODY) - 1])
def test_nor_is_a_part_of_it(length: int) -> None:
    with pytest.raises(RefusedCall):
        take(BODY[:length], 1000)
