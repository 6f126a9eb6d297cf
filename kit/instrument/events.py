"""Server-sent events, taken from the bytes of a whole answer: what came in each, and when its last line was complete.

Cut as the HTML standard says (lines end with CR, LF or both; comments and other fields are skipped), from all bytes at once: where
the network split them cannot matter, not even amid a character.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from kit.instrument import foreign

DONE = "[DONE]"
_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """The data of one event, and when the byte came that ended it."""

    at_ns: int
    data: str


def events(body: bytes, times_ns: Sequence[int], sizes: Sequence[int]) -> Iterator[Event]:
    """The events of a body that came in pieces of these sizes at these times.

    One that is not ended by an empty line counts where the body ends, at the time of its last piece.
    """
    ends = list(accumulate(sizes))
    lines: list[bytes] = []
    start = len(_BOM) if body.startswith(_BOM) else 0
    for found in _LINE_END.finditer(body, start):
        line, begin = body[start : found.start()], found.start()
        start = found.end()
        if line:
            if (data := _data(line)) is not None:
                lines.append(data)
        elif lines:
            yield _event(times_ns[bisect_right(ends, begin)], lines)
            lines = []
    if (data := _data(body[start:])) is not None:
        lines.append(data)
    if lines:
        yield _event(times_ns[-1], lines)


def _data(line: bytes) -> bytes | None:
    name, _, value = line.partition(b":")
    return value.removeprefix(b" ") if name == b"data" else None


def _event(at_ns: int, lines: list[bytes]) -> Event:
    return Event(at_ns, b"\n".join(lines).decode("utf-8", errors="replace"))


def parsed(event: Event) -> object:
    """What an event's data says; None for the mark of the end. Raises `ValueError` where it is no JSON."""
    return None if event.data.strip() == DONE else foreign.loads(event.data)


def choice_of(chunk: object) -> dict[str, object]:
    """The first choice of a chunk."""
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def text_of(choice: dict[str, object]) -> str:
    """The text that a choice carries: content or reasoning of a chat, or the text of a plain completion.

    What a server sends under two names, as those that rename one of them do for a while, counts once.
    """
    delta = choice.get("delta")
    places = (
        (choice.get("text"), *(delta.get(name) for name in _TEXTS))
        if isinstance(delta, dict)
        else (choice.get("text"),)
    )
    return "".join(dict.fromkeys(place for place in places if isinstance(place, str)))


_TEXTS = ("content", "reasoning_content", "reasoning")


_UNNAMED = ("", "null", "none")
"""What some servers write in place of nothing."""


def finish_of(choice: dict[str, object]) -> str | None:
    """The reason that a choice gives for the end of its answer."""
    reason = choice.get("finish_reason")
    return reason if isinstance(reason, str) and reason.strip().lower() not in _UNNAMED else None


MOST_TOKENS = 2**31
"""Of an answer or a prompt: a larger number counts nothing."""


def count_of(found: object) -> int | None:
    """A number of tokens; None where it is none."""
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= MOST_TOKENS else None


def usage_of(chunk: object) -> tuple[int, int] | None:
    """Tokens in and out, where a chunk counts both."""
    usage = chunk.get("usage") if isinstance(chunk, dict) else None
    if not isinstance(usage, dict):
        return None
    asked, given = count_of(usage.get("prompt_tokens")), count_of(usage.get("completion_tokens"))
    return (asked, given) if asked is not None and given is not None else None
