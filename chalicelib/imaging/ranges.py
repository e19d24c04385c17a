"""A file of which only those parts are fetched that are read."""

import io
from collections import OrderedDict
from collections.abc import Callable

from chalicelib.imaging.limits import MOST_FETCHES

BLOCK = 32 * 1024
BLOCKS_KEPT = 256
CHUNK = 8 * 1024**2
"""More is never fetched at once."""

STEPS_OF_A_WALK = 4
"""Who has gone on so often, from one block to one not far behind it, goes on; twice as many are then fetched each
time."""

MOST_BLOCKS_AT_ONCE = 128

Fetch = Callable[[int, int], bytes]
"""The bytes from an offset on, so many or as many as there are."""


class TooMuchReadError(Exception):
    """More of the file is needed than may be read."""


class Ranges(io.RawIOBase):
    """Readers see its end where its budget is spent, of bytes or of fetches; `strict` raises TooMuchReadError
    instead."""

    def __init__(self, fetch: Fetch, size: int, budget: int, *, strict: bool = False, head: bytes = b"") -> None:
        super().__init__()
        self._fetches_left = MOST_FETCHES
        self._walked, self._next_block = 0, 0
        self._fetch, self._size, self._budget, self._strict = fetch, size, budget, strict
        self._place = 0
        self._blocks = OrderedDict({0: head} if len(head) == min(BLOCK, size) else {})
        self.fetched = len(head)
        self.spent = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._place)
        wanted = left if size is None or size < 0 else min(size, left)
        data = self._large(wanted) if wanted > BLOCK else self._small(wanted)
        self._place += len(data)
        return data

    def _small(self, wanted: int) -> bytes:
        """From one block, or two."""
        number, start = divmod(self._place, BLOCK)
        data = self._block(number)[start : start + wanted] if wanted else b""
        if len(data) < wanted and start + wanted > BLOCK:
            data += self._block(number + 1)[: wanted - len(data)]
        return data

    def _large(self, wanted: int) -> bytes:
        content, allowed = bytearray(), self._granted(wanted)
        while len(content) < allowed:
            chunk = self._fetch(self._place + len(content), min(CHUNK, allowed - len(content)))
            if not chunk:
                break
            content += chunk
        return bytes(content)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            count = self._blocks_at_once(number)
            length = min(count * BLOCK, self._size - number * BLOCK)
            if length <= 0 or self._granted(length) < length:
                return b""
            content = self._fetch(number * BLOCK, length)
            for place in range(count):
                self._blocks[number + place] = content[place * BLOCK : (place + 1) * BLOCK]
            self._next_block = number + count
            while len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _blocks_at_once(self, number: int) -> int:
        """More than one while someone walks through the file, as from frame to frame, and half of the budget is
        left."""
        goes_on = 0 <= number - self._next_block <= CHUNK // BLOCK
        self._walked = self._walked + 1 if goes_on else 0
        count = min(MOST_BLOCKS_AT_ONCE, 2 ** max(0, self._walked - STEPS_OF_A_WALK))
        return count if self.fetched + count * BLOCK <= self._budget // 2 else 1

    def _granted(self, length: int) -> int:
        """Of what is still to be fetched, as much as may be."""
        granted = min(length, self._budget - self.fetched) if self._fetches_left > 0 else 0
        self._fetches_left -= 1
        if granted < length:
            self.spent = True
            if self._strict:
                raise TooMuchReadError
        self.fetched += granted
        return granted
