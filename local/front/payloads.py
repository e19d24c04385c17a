"""Checks a body while it passes, without keeping it."""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from local.front.refusals import RefusedCall
from local.front.signatures import Signature

_EMPTY = hashlib.sha256(b"").hexdigest()
_LONGEST_LINE = 8192
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?")
_CHECKSUM = re.compile(r"x-amz-checksum-[a-z0-9]+")


class Payload(Protocol):
    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body. Raises RefusedCall."""

    def finish(self) -> None:
        """Raises RefusedCall unless this was the whole of what was signed."""


class Unsigned:
    def feed(self, data: bytes) -> None: ...

    def finish(self) -> None: ...


class Whole:
    """A body whose hash is signed."""

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._hash = hashlib.sha256()

    def feed(self, data: bytes) -> None:
        self._hash.update(data)

    def finish(self) -> None:
        if self._hash.hexdigest() != self._expected:
            raise RefusedCall(
                400, "XAmzContentSHA256Mismatch", "The body does not have the hash in x-amz-content-sha256."
            )


@dataclass
class Chain:
    """Signatures of chunks, each of which covers the one before it."""

    key: bytes
    signature: Signature
    last: str

    def check(self, given: str, kind: str, *hashes: str) -> None:
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", self.signature.moment, self.signature.scope, self.last, *hashes))
        self.last = hmac.digest(self.key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(self.last.encode(), given.encode()):
            raise RefusedCall(403, "SignatureDoesNotMatch", "The signature of a chunk does not match.")


class Chunked:
    """A body in the aws-chunked encoding, with a signature for each chunk or without (`chain` is None).

    Its trailer may hold the announced checksums and nothing else: the emulator reads a trailer as headers, and one that
    is not signed could be an x-amz-copy-source.
    """

    def __init__(self, chain: Chain | None, announced: frozenset[str], *, signed_trailer: bool = False) -> None:
        self._chain = chain
        self._announced = announced
        self._signed_trailer = signed_trailer
        self._read: Callable[[bytes], None] = self._size
        """What to do with the next line."""
        self._line = bytearray()
        self._left = 0
        self._given = ""
        self._hash = hashlib.sha256()
        self._trailer = b""
        self._done = False

    def feed(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._take_data(rest) if self._left else self._take_line(rest) :]

    def finish(self) -> None:
        if not self._done or self._line:
            raise RefusedCall(400, "IncompleteBody", "The body ends before its last chunk.")

    def _take_data(self, rest: memoryview) -> int:
        taken = rest[: self._left]
        self._hash.update(taken)
        self._left -= len(taken)
        if not self._left:
            self._check_chunk()
            self._read = self._end_of_chunk
        return len(taken)

    def _take_line(self, rest: memoryview) -> int:
        piece = bytes(rest[:_LONGEST_LINE])
        length = piece.find(b"\n") + 1 or len(piece)
        self._line += piece[:length]
        if len(self._line) > _LONGEST_LINE:
            raise _malformed()
        if self._line.endswith(b"\r\n"):
            line, self._line = bytes(self._line[:-2]), bytearray()
            self._read(line)
        return length

    def _size(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if found is None or (found[2] is None) != (self._chain is None):
            raise _malformed()
        self._left, self._given = int(found[1], 16), (found[2] or b"").decode()
        self._hash = hashlib.sha256()
        if not self._left:
            self._check_chunk()
            self._read = self._trailer_line

    def _check_chunk(self) -> None:
        if self._chain:
            self._chain.check(self._given, "PAYLOAD", _EMPTY, self._hash.hexdigest())

    def _end_of_chunk(self, line: bytes) -> None:
        if line:
            raise _malformed()
        self._read = self._size

    def _trailer_line(self, line: bytes) -> None:
        name, _, value = line.decode("latin-1").partition(":")
        if not line:
            self._end()
        elif name == "x-amz-trailer-signature" and self._signed_trailer and self._chain:
            self._chain.check(value.strip(), "TRAILER", hashlib.sha256(self._trailer).hexdigest())
            self._signed_trailer, self._announced = False, frozenset()
        elif name in self._announced and _CHECKSUM.fullmatch(name):
            self._trailer += line + b"\n"
        else:
            raise RefusedCall(403, "AccessDenied", "The trailer holds something other than the announced checksums.")

    def _end(self) -> None:
        if self._signed_trailer:
            raise RefusedCall(403, "SignatureDoesNotMatch", "The trailer is not signed.")
        self._done = True
        self._read = self._after_the_end

    def _after_the_end(self, _: bytes) -> None:
        raise _malformed()


def _malformed() -> RefusedCall:
    return RefusedCall(400, "InvalidRequest", "The body is not in the aws-chunked encoding that its headers declare.")
