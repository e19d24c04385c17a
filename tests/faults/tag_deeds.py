"""Making tags, and changing them on all their images at once. These are never given up: too much hangs on them."""

from tests.faults.caller import Caller
from tests.faults.deeds import Deeds
from tests.faults.promises import Promises

FEWEST, MOST = 5, 9


class TagDeeds:
    def __init__(self, deeds: Deeds) -> None:
        self._deeds = deeds

    @property
    def _caller(self) -> Caller:
        return self._deeds.caller

    @property
    def _promises(self) -> Promises:
        return self._deeds.promises

    def create(self) -> None:
        if len(self._promises.tags) >= MOST:
            return
        name = self._deeds.new_name("tag")
        reply = self._caller.ask("POST", "tags", {"name": name})
        answer = self._deeds.acknowledged(reply, 201)
        if answer is not None:
            self._promises.tags[name] = answer.json()["id"]

    def rename(self) -> None:
        if (old := self._deeds.a_tag()) is not None:
            new = self._deeds.new_name("tag")
            reply = self._caller.ask("PUT", f"tags/{self._promises.tags[old]}", {"name": new})
            if self._deeds.acknowledged(reply, 200) is not None:
                self._promises.rename(old, new)

    def delete(self) -> None:
        if len(self._promises.tags) > FEWEST and (name := self._deeds.a_tag()) is not None:
            reply = self._caller.ask("DELETE", f"tags/{self._promises.tags[name]}")
            if self._deeds.acknowledged(reply, *((204, 404) if reply.tries > 1 else (204,))) is not None:
                self._promises.delete(name)

    def merge(self) -> None:
        if len(self._promises.tags) > FEWEST:
            source, target = self._deeds.random.sample([*self._promises.tags], 2)
            body = {"into": self._promises.tags[target]}
            reply = self._caller.ask("POST", f"tags/{self._promises.tags[source]}/merge", body)
            if self._deeds.acknowledged(reply, 200) is not None:
                self._promises.merge(source, target)
