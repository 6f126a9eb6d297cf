"""What the events of an answer say, and the rule by which an answer is one: a client that goes on with it and a reader of the round follow the same."""

import json
from collections.abc import Iterator

from kit.instrument.events import choice_of, events, finish_of, parsed, text_of, usage_of
from kit.instrument.exchange import Exchange

_GIVEN_UP = ("abort", "error")
"""Reasons by which vLLM and SGLang say that an answer which came to an end is none."""


class Stream:
    """The events of an answer, as far as they were read; `broken` is the first that cannot be understood, or tells of an error."""

    def __init__(self) -> None:
        self.role_ns: int | None = None
        self.text_ns: list[int] = []
        self.usage: tuple[int, int] | None = None
        self.finish: str | None = None
        self.broken: str | None = None

    def read(self, exchange: Exchange) -> Iterator[object]:
        """The chunks of an answer, each taken in before it is given."""
        if exchange.status != 200 or not _streamed(exchange):
            return
        for event in events(exchange.body, exchange.times_ns, exchange.sizes):
            try:
                chunk = parsed(event)
            except ValueError:
                # The last event of an answer that broke off may be cut in two.
                self.broken = self.broken or f"not a completion: {event.data}"
                continue
            if isinstance(chunk, dict) and (chunk.get("error") is not None or chunk.get("object") == "error"):
                self.broken = self.broken or json.dumps(chunk, ensure_ascii=False)
                continue
            self._take(chunk, event.at_ns)
            yield chunk

    def _take(self, chunk: object, at_ns: int) -> None:
        choice = choice_of(chunk)
        if text_of(choice):
            self.text_ns.append(at_ns)
        elif choice and not self.text_ns and self.role_ns is None:
            self.role_ns = at_ns
        self.finish = finish_of(choice) or self.finish
        self.usage = usage_of(chunk) or self.usage


def failure(exchange: Exchange, stream: Stream) -> str | None:
    """Why a request has failed, when all of its answer was read; None where it succeeded. It may hold whatever the server said."""
    if exchange.error is not None:
        return exchange.error
    if exchange.status != 200:
        if exchange.location:
            return f"HTTP {exchange.status}: a redirect to {exchange.location}"
        return f"HTTP {exchange.status}: {_said(exchange)}"
    if not _streamed(exchange):
        return f"not a stream but {exchange.content_type.strip() or 'no content type'}: {_said(exchange)}"
    return stream.broken or unfinished(len(stream.text_ns), stream.finish)


def unfinished(texts: int, finish: str | None) -> str | None:
    """Why an answer that came to an end is none, by the events with text that it held, and the reason that the server gives for its end."""
    if not texts:
        return "the stream held no text"
    if finish is None:
        return "the stream ended before the answer was finished"
    return f"the server gave the answer up (finish_reason {finish})" if finish in _GIVEN_UP else None


def _streamed(exchange: Exchange) -> bool:
    return "event-stream" in exchange.content_type.lower()


def _said(exchange: Exchange) -> str:
    return exchange.body.decode("utf-8", errors="replace").strip() or "(nothing)"
