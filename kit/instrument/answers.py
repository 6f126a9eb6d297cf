"""What a reference server answers to a request: routes, streams by the schedule, and faults."""

from __future__ import annotations

import json
from time import monotonic_ns
from typing import TYPE_CHECKING

from kit.instrument import frames

if TYPE_CHECKING:
    from kit.instrument.reference import Connection
    from kit.instrument.schedule import Fault

PROBE_CHARACTERS = 20
"""Requests with a shorter prompt are probes: they have no number, and no fault meets them."""
_STATUS_KINDS = {400: "BadRequestError", 401: "AuthenticationError", 429: "RateLimitError"}


def answer(connection: Connection, method: str, path: str, body: bytes, at: int) -> None:
    """Answer one request, which was read at the time `at`."""
    server = connection.server
    path = path.partition("?")[0]
    if path in ("/health", "/ping"):
        connection.send(frames.whole(200, "{}"))
    elif path == "/v1/models":
        listed = [{"id": model, "object": "model", "owned_by": "reference"} for model in server.models]
        connection.send(frames.whole(200, json.dumps({"object": "list", "data": listed})))
    elif path == "/reference":
        connection.send(frames.whole(200, json.dumps(server.lateness.summary())))
    elif path in ("/v1/chat/completions", "/v1/completions") and method == "POST":
        _complete(connection, body, at, chat="chat" in path)
    else:
        connection.send(frames.whole(404, frames.error(f"there is no {method} {path}", "NotFoundError")))


def _complete(connection: Connection, body: bytes, at: int, *, chat: bool) -> None:
    server = connection.server
    try:
        asked = json.loads(body)
        prompt = "".join(str(part.get("content")) for part in asked["messages"]) if chat else str(asked["prompt"])
        tokens = int(asked.get("max_tokens") or asked.get("max_completion_tokens") or 16)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        connection.send(frames.whole(400, frames.error(f"not a request: {error!r}", "BadRequestError")))
        return
    model = str(asked.get("model"))
    if model not in server.models:
        said = frames.error(f"The model `{model}` does not exist.", "NotFoundError")
        connection.send(frames.whole(404, said))
        return
    number = 0
    if len(prompt) >= PROBE_CHARACTERS:
        server.numbered += 1
        number = server.numbered
    count = server.models[model].input_of(prompt, asked["messages"] if chat else None)
    streamed = bool(asked.get("stream"))
    Stream(connection, model, number, prompt, count, max(tokens, 1), at, chat=chat, streamed=streamed)


class Stream:
    """One answer on its way. All times are of `time.monotonic_ns()`, taken before the bytes are given to the kernel."""

    def __init__(
        self,
        connection: Connection,
        model: str,
        number: int,
        prompt: str,
        count: int,
        tokens: int,
        at: int,
        *,
        chat: bool,
        streamed: bool,
    ) -> None:
        server = connection.server
        schedule = server.models[model]
        self._connection = connection
        self._server = server
        self._schedule = schedule
        self._frames = server.frames(model, chat=chat)
        self._number = number
        self._characters = len(prompt)
        self._asked = tokens
        self._input = count
        self._received = at
        self._fault: Fault | None = schedule.fault_of(number)
        self._source = schedule.source(number)
        self._sent = 0
        self._head = frames.STREAM
        self._due: list[int] = []
        self._left: list[int] = []
        self._role: int | None = None
        connection.stream = self
        server.streams += 1
        if self._fault is not None and self._fault.kind in ("http-400", "http-401", "http-429", "http-500", "http-503"):
            status = int(self._fault.kind.removeprefix("http-"))
            said = frames.error(f"as ordered: {status}", _STATUS_KINDS.get(status, "InternalServerError"))
            self._refuse(frames.whole(status, said))
            return
        if self._fault is not None and self._fault.kind in ("redirect", "not-a-stream", "empty", "silent"):
            self._instead(self._fault.kind)
            return
        first = at + int(schedule.ttft(self._source) * 1e9)
        if not streamed:
            rest = schedule.gap_s(self._source, 1, tokens - 1)
            self._next = first + int(rest * 1e9)
            server.at(self._next, self._whole)
            return
        if schedule.role == "early":
            self._role = monotonic_ns()
            connection.send(self._head + self._frames.role())
            self._head = b""
        self._next = first
        server.at(first, self._step)

    def _instead(self, kind: str) -> None:
        if kind == "redirect":
            self._refuse(frames.whole(307, "", headers="Location: /elsewhere/v1/chat/completions\r\n"))
        elif kind == "not-a-stream":
            self._refuse(frames.whole(200, "<!DOCTYPE html>\n<title>Sign in</title>\n", "text/html"))
        elif kind == "empty":
            self._refuse(frames.STREAM + frames.END)
        # silent: nothing at all

    def _refuse(self, content: bytes) -> None:
        self._connection.send(content)
        self._end(self._fault.kind if self._fault is not None else "refused")

    def _whole(self, now: int) -> None:
        if not self._connection.open:
            return
        self._due.append(self._next)
        self._left.append(now)
        self._connection.send(self._frames.complete(self._input, self._asked))
        self._end("done")

    def _step(self, now: int) -> None:
        connection = self._connection
        if not connection.open:
            return
        sent, most = self._sent, self._schedule.tokens_per_chunk
        # The first token comes alone, as after a prefill.
        tokens = 1 if sent == 0 else min(most, self._asked - sent)
        data = self._frames.text(tokens)
        if self._head:
            if self._schedule.role == "first":
                self._role = now
                data = self._head + self._frames.role() + data
            else:
                data = self._head + data
            self._head = b""
        sent += tokens
        self._sent = sent
        self._due.append(self._next)
        self._left.append(now)
        self._server.lateness.add(now - self._next)
        if self._fault is not None and sent >= self._fault.token:
            connection.send(data)
            self._break(self._fault.kind)
        elif sent >= self._asked:
            connection.send(data + self._frames.tail(self._input, sent, usage=self._schedule.usage))
            self._end("done")
        else:
            following = min(most, self._asked - sent)
            self._next += int(self._schedule.gap_s(self._source, sent, following) * 1e9)
            self._server.at(self._next, self._step)
            connection.send(data)

    def _break(self, kind: str) -> None:
        connection = self._connection
        if kind == "stall":
            return
        self._end(kind)
        if kind == "reset":
            connection.reset()
        elif kind == "close":
            connection.send(frames.END)
        elif kind == "error":
            connection.send(
                frames.chunk(frames.error("the engine ran out of memory")) + frames.chunk(frames.DONE) + frames.END
            )
        else:
            connection.send(frames.chunk("<html>bad gateway</html>") + frames.END)

    def left(self, at: int) -> None:
        """The client went away."""
        self._end("stalled" if self._fault is not None else "left", at)

    def _end(self, how: str, at: int | None = None) -> None:
        self._connection.stream = None
        self._server.streams -= 1
        self._server.over(
            {
                "number": self._number,
                "received_ns": self._received,
                "prompt_characters": self._characters,
                "tokens_asked": self._asked,
                "tokens_sent": self._sent if self._sent else self._asked if how == "done" else 0,
                "role_ns": self._role,
                "due_ns": self._due,
                "sent_ns": self._left,
                "end_ns": at if at is not None else monotonic_ns(),
                "ended": how,
            }
        )
