"""Messages of several callers in the order in which they are delivered: callers take turns."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]


class Turns:
    """Holds messages by their MessageGroupId, which names the caller, and gives one of each group in turn. A message
    without a group is a group of its own. SQS does much the same with `MessageGroupId` on a standard queue."""

    def __init__(self) -> None:
        self._groups: OrderedDict[str, deque[Message]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def add(self, message: Message) -> None:
        group = message["Attributes"].get("MessageGroupId", message["MessageId"])
        self._groups.setdefault(group, deque()).append(message)

    def next(self) -> Message | None:
        """The first message of the group whose turn it is, which then waits for all others' turns. None: no message is
        held."""
        if not self._groups:
            return None
        group, messages = self._groups.popitem(last=False)
        message = messages.popleft()
        if messages:
            self._groups[group] = messages
        return message

    def take_all(self) -> Iterator[Message]:
        while message := self.next():
            yield message
