"""Uploading and changing images."""

import base64
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx

from tests.faults.caller import Caller, Reply
from tests.faults.deeds import Deeds
from tests.faults.promises import Change, File, Image, State

RECENT = 40
"""So few are changed that some are changed often."""


class ImageDeeds:
    def __init__(self, deeds: Deeds) -> None:
        self._deeds = deeds
        self._mine: list[Image] = []
        """Whose state is certain; others are left alone from then on."""

    @property
    def _caller(self) -> Caller:
        return self._deeds.caller

    def register(self) -> None:
        image, state = self._new_image(), self._new_state()
        body = _wire(image, state) | {"size": len(image.content), "content_type": "application/dicom"}
        answer = self._made(image, state, self._caller.ask("POST", "images", body, most=self._deeds.patience()))
        if answer is not None and self._deeds.random.random() < 0.9:
            image.file = self._put(answer, image)

    def one_shot(self) -> None:
        image, state = self._new_image(), self._new_state()
        image.file = "promised"
        body = _wire(image, state) | {"image_data": base64.b64encode(image.content).decode()}
        self._made(image, state, self._caller.ask("POST", "upload", body, most=self._deeds.patience()))

    def add_tag(self) -> None:
        self._change_a_tag("PUT", frozenset.union)

    def take_off_tag(self) -> None:
        self._change_a_tag("DELETE", frozenset.difference)

    def replace(self) -> None:
        """What was read, changed and sent back with its ETag."""
        if (image := self._an_image(binned=False)) is None or (read := self._read(image)) is None:
            return
        new = self._new_state()
        body, etag = {"tags": sorted(new.tags), "metadata": {"note": new.note}}, {"If-Match": read.headers["ETag"]}
        reply = self._caller.ask("PUT", _path(image), body, most=self._deeds.patience(), **etag)
        if reply.response is None or reply.response.status_code != 412:
            self._changed(image, reply, lambda _: new, 200)
        elif reply.tries > 1:  # the first one may have been done; else the file has come since it was read
            image.become(lambda _: new, certainly=False)
            self._settle(image)

    def bin_or_restore(self) -> None:
        if (image := self._an_image(binned=self._deeds.random.random() < 0.5)) is None:
            return
        (state,) = image.states
        most = self._deeds.patience()
        if state.binned:
            reply = self._caller.ask("POST", f"{_path(image)}/restore", most=most)
            if not self._came_too_late(reply):
                self._changed(image, reply, lambda state: state._replace(binned=False), 200)
        else:
            reply = self._caller.ask("DELETE", _path(image), most=most)
            expected = (204, 404) if reply.tries > 1 else (204,)
            self._changed(image, reply, lambda state: state._replace(binned=True), *expected)

    def _came_too_late(self, reply: Reply) -> bool:
        """By a clock that had leapt, which answered the one try. The image has to be in the bin as before."""
        leapt = "month ahead" in self._caller.timeline.fault_at(reply.at)
        refused = reply.response is not None and reply.response.status_code == 404
        return leapt and refused and reply.tries == 1

    def look(self) -> None:
        if (image := self._an_image(binned=None)) is not None:
            self._read(image)

    def _put(self, upload: dict[str, Any], image: Image) -> File:
        if not self._caller.put_file(upload, image.content, most=self._deeds.patience()):
            return "maybe"
        self._caller.timeline.note("acknowledged", time.monotonic())
        return "promised"

    def _made(self, image: Image, state: State, reply: Reply) -> dict[str, Any] | None:
        image.at, image.untold = reply.at, state
        answer = self._deeds.acknowledged(reply, 201)
        image.most_untold = 0 if answer is not None else 1
        self._deeds.promises.images.append(image)
        if answer is None:
            return None
        record: dict[str, Any] = answer.json()
        image.id, image.states = record["id"], {state}
        self._mine.append(image)
        return record

    def _change_a_tag(self, method: str, combine: Callable[[frozenset[str], set[str]], frozenset[str]]) -> None:
        image, name = self._an_image(binned=False), self._deeds.a_tag()
        if image is not None and name is not None:
            path = f"{_path(image)}/tags/{quote(name, safe='')}"
            reply = self._caller.ask(method, path, most=self._deeds.patience())
            self._changed(image, reply, lambda state: state._replace(tags=combine(state.tags, {name})), 204)

    def _changed(self, image: Image, reply: Reply, change: Change, *expected: int) -> None:
        image.at = reply.at
        answer = self._deeds.acknowledged(reply, *expected)
        image.become(change, certainly=answer is not None)
        if len(image.states) > 1:
            self._mine.remove(image)

    def _read(self, image: Image) -> httpx.Response | None:
        """The answer, if the image is there. What was acknowledged shows at once."""
        answer = self._caller.ask("GET", _path(image)).response
        shown = _state(answer) if answer is not None and answer.status_code == 200 else None
        if shown not in {None if state.binned else state for state in image.states}:
            what = f"{image.filename}: {shown} is shown instead of {image.states}"
            self._caller.timeline.note("lost", image.at, what)
        return answer if shown else None

    def _settle(self, image: Image) -> None:
        """Looks which of its states it is in."""
        answer = self._read(image)
        if answer is not None and _state(answer) in image.states:
            image.states = {_state(answer)}
        if len(image.states) != 1:
            self._mine.remove(image)

    def _an_image(self, *, binned: bool | None) -> Image | None:
        recent = self._mine[-RECENT:]
        fitting = [image for image in recent if binned is None or {each.binned for each in image.states} == {binned}]
        return self._deeds.random.choice(fitting) if fitting else None

    def _new_image(self) -> Image:
        return Image(self._deeds.new_name("image"), at=0)

    def _new_state(self) -> State:
        known = [*self._deeds.promises.tags]
        chosen = self._deeds.random.sample(known, min(len(known), self._deeds.random.randint(0, 3)))
        return State(frozenset(chosen), self._deeds.number())


def _path(image: Image) -> str:
    return f"images/{image.id}"


def _wire(image: Image, state: State) -> dict[str, Any]:
    return {"filename": image.filename, "tags": sorted(state.tags), "metadata": {"note": state.note}}


def _state(answer: httpx.Response) -> State:
    record = answer.json()
    return State(frozenset(tag["name"] for tag in record["tags"]), record["metadata"]["note"])
