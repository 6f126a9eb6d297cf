"""The bytes that a reference server sends, made before they are needed."""

import json
from functools import cache

DONE = "[DONE]"


def chunk(event: str) -> bytes:
    """One event of a stream as one piece of a chunked HTTP body."""
    body = f"data: {event}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(body), body)


END = b"0\r\n\r\n"
STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def whole(status: int, body: str, kind: str = "application/json", headers: str = "") -> bytes:
    """An answer with its length."""
    content = body.encode()
    head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'Said'}\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(content)}\r\n{headers}\r\n".encode() + content


def error(message: str, kind: str = "InternalServerError") -> str:
    """An error as OpenAI-compatible servers put it."""
    return json.dumps({"error": {"message": message, "type": kind, "code": None}})


class Frames:
    """The chunks of one model's answers; `chat` tells chat completions from plain ones."""

    def __init__(self, model: str, *, chat: bool) -> None:
        self._chat = chat
        self._base: dict[str, object] = {
            "id": "reference",
            "object": "chat.completion.chunk" if chat else "text_completion",
            "created": 0,
            "model": model,
        }

    def _event(self, choices: list[dict[str, object]], **more: object) -> str:
        return json.dumps({**self._base, "choices": choices, **more})

    def role(self) -> bytes:
        """The chunk that only names the role; plain completions have none."""
        if not self._chat:
            return b""
        delta = {"role": "assistant", "content": ""}
        return chunk(self._event([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]))

    @cache  # noqa: B019  (one object per model, as long-lived as the server)
    def text(self, tokens: int) -> bytes:
        """A chunk with so many tokens of text."""
        words = " a" * tokens
        said = {"delta": {"content": words}} if self._chat else {"text": words}
        return chunk(self._event([{"index": 0, **said, "logprobs": None, "finish_reason": None}]))

    def tail(self, asked: int, tokens: int, *, usage: bool) -> bytes:
        """What follows the last token: why it ended, the counts, and the end."""
        said: dict[str, object] = {"delta": {}} if self._chat else {"text": ""}
        parts = [chunk(self._event([{"index": 0, **said, "logprobs": None, "finish_reason": "length"}]))]
        if usage:
            parts.append(chunk(self._event([], usage=_usage(asked, tokens))))
        return b"".join((*parts, chunk(DONE), END))

    def complete(self, asked: int, tokens: int) -> bytes:
        """The whole answer at once, for a request that does not stream."""
        words = " a" * tokens
        said: dict[str, object] = (
            {"message": {"role": "assistant", "content": words}} if self._chat else {"text": words}
        )
        base = {**self._base, "object": "chat.completion" if self._chat else "text_completion"}
        choices = [{"index": 0, **said, "logprobs": None, "finish_reason": "length"}]
        return whole(200, json.dumps({**base, "choices": choices, "usage": _usage(asked, tokens)}))


def _usage(asked: int, tokens: int) -> dict[str, int]:
    return {"prompt_tokens": asked, "completion_tokens": tokens, "total_tokens": asked + tokens}
