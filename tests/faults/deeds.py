"""What every deed of a client needs: its caller, what it was promised, chance and names of its own."""

import random
from itertools import count

import httpx

from tests.faults.caller import FOR_EVER, Caller, Reply
from tests.faults.promises import Promises

TRIES = (1, 2, 3, FOR_EVER, FOR_EVER)
"""After so many without an answer a client leaves it at that; one chosen each time."""


class Deeds:
    def __init__(self, name: str, caller: Caller) -> None:
        self.name = name
        self.caller = caller
        self.promises = Promises()
        self.random = random.Random(name)
        self._numbers = count(1)

    def number(self) -> int:
        return next(self._numbers)

    def new_name(self, kind: str) -> str:
        return f"{self.name}-{kind}-{self.number()}"

    def a_tag(self) -> str | None:
        return self.random.choice([*self.promises.tags]) if self.promises.tags else None

    def patience(self) -> float:
        return self.random.choice(TRIES)

    def acknowledged(self, reply: Reply, *statuses: int) -> httpx.Response | None:
        """The answer, if it is one of these; any other takes back what was promised, and is noted as that."""
        if reply.response is None:
            self.caller.timeline.note("given up", reply.at)
            return None
        if reply.response.status_code not in statuses:
            request, said = reply.response.request, reply.response.text[:300]
            what = f"{request.method} {request.url.path} (try {reply.tries}): {reply.response.status_code} {said}"
            self.caller.timeline.note("lost", reply.at, what)
            return None
        self.caller.timeline.note("acknowledged", reply.at)
        return reply.response
