"""The chunks of a streamed chat completion, as evalscope stores them."""

import base64
import io
import itertools
import json
import pickle
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from kit.instrument import foreign
from kit.instrument.events import choice_of, count_of, finish_of
from kit.loadgens import timings
from kit.loadgens.reading import short
from kit.loadgens.timings import Said


@dataclass(frozen=True, slots=True)
class Answer:
    """What a stream held: chunks with text, when the first and the last came (the client's clock), the gaps between them in seconds,
    the server's own token counts, why it stopped, what some servers add of their own work, and an error amid the chunks. `None`: the stream did not say."""

    text_chunks: int
    first_text_at: float | None
    last_text_at: float | None
    gaps_s: tuple[float, ...]
    input_tokens: int | None
    output_tokens: int | None
    finish_reason: str | None
    said: Said = field(default_factory=Said)
    error: str | None = None


_FIXED = re.compile(
    # Lists and dicts with what fills them, None, booleans, numbers, what was named before; and frames, which mean nothing.
    rb"(?:[\]}(aeusN\x88\x89\x94]|[Kh].|M..|[Jj].{4}|[G\x95].{8})*+",
    re.DOTALL,
)
_HALF = re.compile(rb"\xed[\xa0-\xbf]")


class _PlainUnpickler(pickle.Unpickler):
    """The second lock: what passes `_plain` names no class and no function."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise ValueError(f"the stored answer names {module}.{name}")


def unpickled(stored: str) -> object:
    """What evalscope keeps as base64 of a pickle: what JSON may hold, as a tree. Raises `ValueError` on anything else."""
    try:
        raw = base64.b64decode(stored, validate=True)
        if not _plain(raw):
            raise ValueError("a stored answer holds more than texts, numbers, lists and dicts")
        data: object = _PlainUnpickler(io.BytesIO(raw)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, OverflowError, TypeError) as error:
        raise ValueError(f"a stored answer is damaged: {error}") from error
    if not foreign.tree(data):
        raise ValueError("a stored answer is nested without end")
    return foreign.whole(data) if _HALF.search(raw) else data


def _plain(stored: bytes) -> bool:
    """Whether a pickle only makes what JSON may hold: a tuple as a key can end this process, a class could do anything."""
    if not stored.startswith((b"\x80\x04", b"\x80\x05")):
        return False
    place = 2
    while (found := _FIXED.match(stored, place)) is not None:
        place = found.end()
        match stored[place : place + 1]:
            case b"\x8c" | b"\x8a":
                # A text or a whole number, behind its length.
                place += 2 + int.from_bytes(stored[place + 1 : place + 2], "little")
            case b"X":
                place += 5 + int.from_bytes(stored[place + 1 : place + 5], "little")
            case end:
                return end == b"."
    return False


def messages(stored: str | None) -> list[object]:
    """The chunks of an answer, as evalscope keeps them. Raises `ValueError` where they are none."""
    data = unpickled(stored) if stored else []
    if not isinstance(data, list):
        raise ValueError("a stored answer is not a list of chunks")
    return data


def answer(chunks: Sequence[object], times: Sequence[float]) -> Answer:
    """What the chunks say; `times` holds when each arrived, or nothing where that was not kept.

    A chunk counts as text when its delta carries content or reasoning: role-only, usage and finish chunks do not.
    """
    if times and len(times) != len(chunks):
        raise ValueError(f"{len(chunks)} chunks have {len(times)} times")
    text_at: list[float] = []
    text_chunks = 0
    finish_reason: str | None = None
    usage: tuple[int | None, int | None] = (None, None)
    said = Said()
    error: str | None = None
    for position, chunk in enumerate(chunks):
        if not isinstance(chunk, dict):
            continue
        if chunk.get("error") is not None or chunk.get("object") == "error":
            error = error or short(json.dumps(chunk, ensure_ascii=False))
            continue
        choice = choice_of(chunk)
        if _has_text(choice.get("delta")):
            text_chunks += 1
            if times:
                text_at.append(times[position])
        reason = finish_of(choice)
        finish_reason = short(reason) if reason is not None else finish_reason
        usage = _usage(chunk.get("usage"), usage)
        said = timings.taken(chunk, said)
    return Answer(
        text_chunks=text_chunks,
        first_text_at=text_at[0] if text_at else None,
        last_text_at=text_at[-1] if text_at else None,
        gaps_s=tuple(later - earlier for earlier, later in itertools.pairwise(text_at)),
        input_tokens=usage[0],
        output_tokens=usage[1],
        finish_reason=finish_reason,
        said=said,
        error=error,
    )


def _has_text(delta: object) -> bool:
    if not isinstance(delta, dict):
        return False
    return any(
        isinstance(delta.get(name), str) and delta[name] for name in ("content", "reasoning_content", "reasoning")
    )


def _usage(usage: object, before: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
    if not isinstance(usage, dict):
        return before
    asked, given = count_of(usage.get("prompt_tokens")), count_of(usage.get("completion_tokens"))
    return before[0] if asked is None else asked, before[1] if given is None else given
