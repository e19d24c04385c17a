"""What a client was promised: of each image and tag name, what it must be now; several states where a request that was
never answered may or may not have happened."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tests.files import JPEG

File = Literal["none", "promised", "maybe"]


class State(NamedTuple):
    """All that an image's row and links say; changes of one request show together or not at all."""

    tags: frozenset[str]
    note: int
    """In its metadata; replaced together with the tags."""
    binned: bool = False


Change = Callable[[State], State]


@dataclass
class Image:
    filename: str
    """Like no other's: the auditor finds the image by it, even one whose registration was never answered."""
    at: float
    """When its last promise was given, on the clock of time.monotonic()."""
    id: int | None = None
    states: set[State] = field(default_factory=set)
    """What the image of this id may be."""
    untold: State = field(default_factory=lambda: State(frozenset(), 0))
    """What an image is that an unanswered registration made."""
    most_untold: int = 0
    file: File = "none"

    @property
    def content(self) -> bytes:
        return JPEG + self.filename.encode() * 3

    def become(self, change: Change, *, certainly: bool = True) -> None:
        changed = {change(state) for state in self.states}
        self.states = changed if certainly else self.states | changed


@dataclass
class Promises:
    """One client's; nobody else touches its images and tags."""

    images: list[Image] = field(default_factory=list)
    tags: dict[str, int] = field(default_factory=dict)
    """Those that must be, by name, with their ids."""
    gone: set[str] = field(default_factory=set)
    """Names of tags that must not be any more."""

    def rename(self, old: str, new: str) -> None:
        self.tags[new] = self.tags.pop(old)
        self.gone.add(old)
        self._everywhere(lambda tags: (tags - {old}) | {new} if old in tags else tags)

    def delete(self, name: str) -> None:
        del self.tags[name]
        self.gone.add(name)
        self._everywhere(lambda tags: tags - {name})

    def merge(self, source: str, target: str) -> None:
        del self.tags[source]
        self.gone.add(source)
        self._everywhere(lambda tags: (tags - {source}) | {target} if source in tags else tags)

    def _everywhere(self, change: Callable[[frozenset[str]], frozenset[str]]) -> None:
        """Images in the bin, too, lose the tag, or get it by its other name."""
        for image in self.images:
            image.become(lambda state: state._replace(tags=change(state.tags)))
            image.untold = image.untold._replace(tags=change(image.untold.tags))
