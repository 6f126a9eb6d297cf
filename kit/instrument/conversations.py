"""Conversations: requests that wait for the answer before them, and hold it."""

import json
from array import array
from collections.abc import Callable
from dataclasses import replace

from kit.instrument.events import choice_of, text_of
from kit.instrument.exchange import Exchange
from kit.instrument.outcomes import Stream, failure

NOT_SENT = "not sent: the request before it in its conversation failed"


class Conversations:
    """The requests that are not yet sent, each by the number of the one before it.

    What follows is made when an answer ends: its JSON is read then, and not later as all else is. Arrivals are stamped by the kernel, so
    that the times of other answers do not notice. `prepared` makes the bytes of a request, `plain` takes HTTP off an answer.
    """

    def __init__(self, prepared: Callable[[bytes], bytes], plain: Callable[[bytes], bytes]) -> None:
        self._prepared = prepared
        self._plain = plain
        self._waiting: dict[int, tuple[int, bytes]] = {}

    def add(self, after: int, number: int, body: bytes) -> None:
        """A request that holds only its own message."""
        self._waiting[after] = number, body

    def follow(self, over: Exchange) -> Exchange | None:
        """The request that follows one that is over, with all before it; one that has failed where the answer is none to go on with.

        None at the end of a conversation.
        """
        if over.index not in self._waiting:
            return None
        number, body = self._waiting.pop(over.index)
        following = Exchange(number, b"", over.end_ns or over.scheduled_ns)
        if (said := self._said(over)) is None:
            following.error = NOT_SENT
            return following
        asked, before = json.loads(body), json.loads(over.request.partition(b"\r\n\r\n")[2])
        answer = {"role": "assistant", "content": said}
        asked["messages"] = [*before["messages"], answer, *asked["messages"]]
        following.request = self._prepared(json.dumps(asked, ensure_ascii=False).encode())
        return following

    def _said(self, over: Exchange) -> str | None:
        """The text of an answer that has not failed; of one that only reasoned, its reasoning."""
        if over.error is not None:
            return None
        body = self._plain(over.body)
        answer = replace(over, pieces=[body], times_ns=array("q", [0]), sizes=array("I", [len(body)]))
        stream = Stream()
        content, all_of_it = [], []
        for chunk in stream.read(answer):
            choice = choice_of(chunk)
            delta = choice.get("delta")
            if isinstance(delta, dict) and isinstance(text := delta.get("content"), str):
                content.append(text)
            all_of_it.append(text_of(choice))
        return None if failure(answer, stream) is not None else "".join(content) or "".join(all_of_it)
