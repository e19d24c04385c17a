"""What every deed of a client needs: its caller, what it was promised, chance and names of its own."""

import random
from itertools import count

import httpx

from tests.faults.caller import Caller, Reply
from tests.faults.promises import Promises

GIVES_UP = 0.3
"""How often a client that gets no answer leaves it at that."""


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

    def persists(self) -> bool:
        return self.random.random() > GIVES_UP

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
