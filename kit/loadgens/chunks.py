"""The chunks of a streamed chat completion, as evalscope stores them."""

import base64
import binascii
import io
import itertools
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from kit.loadgens import timings
from kit.loadgens.timings import Said


@dataclass(frozen=True, slots=True)
class Answer:
    """What a stream held: chunks with text, when the first came (the client's clock), the gaps between them in seconds,
    the server's own token counts, why it stopped, and what some servers add of their own work. `None`: the stream did not say."""

    text_chunks: int
    first_text_at: float | None
    gaps_s: tuple[float, ...]
    input_tokens: int | None
    output_tokens: int | None
    finish_reason: str | None
    said: Said = field(default_factory=Said)


class _PlainUnpickler(pickle.Unpickler):
    """Reads lists, dicts, texts and numbers only: anything that names a class or a function is refused, so nothing runs."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise ValueError(f"the stored answer names {module}.{name}")

    def persistent_load(self, pid: object) -> NoReturn:
        raise ValueError(f"the stored answer refers to {pid!r}")


def unpickled(stored: str) -> object:
    """What evalscope keeps as base64 of a pickle. Raises `ValueError` on anything but plain data."""
    try:
        data: object = _PlainUnpickler(io.BytesIO(base64.b64decode(stored, validate=True))).load()
    except (pickle.UnpicklingError, EOFError, binascii.Error, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"a stored answer is damaged: {error}") from error
    return data


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
    for position, chunk in enumerate(chunks):
        if not isinstance(chunk, dict):
            continue
        choice = _first(chunk.get("choices"))
        if _has_text(choice.get("delta")):
            text_chunks += 1
            if times:
                text_at.append(times[position])
        reason = choice.get("finish_reason")
        finish_reason = reason if isinstance(reason, str) else finish_reason
        usage = _usage(chunk.get("usage"), usage)
        said = timings.taken(chunk, said)
    return Answer(
        text_chunks=text_chunks,
        first_text_at=text_at[0] if text_at else None,
        gaps_s=tuple(later - earlier for earlier, later in itertools.pairwise(text_at)),
        input_tokens=usage[0],
        output_tokens=usage[1],
        finish_reason=finish_reason,
        said=said,
    )


def _first(choices: object) -> dict[str, object]:
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return {}


def _has_text(delta: object) -> bool:
    if not isinstance(delta, dict):
        return False
    return any(
        isinstance(delta.get(name), str) and delta[name] for name in ("content", "reasoning_content", "reasoning")
    )


def _usage(usage: object, before: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
    if not isinstance(usage, dict):
        return before
    asked, given = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return asked if isinstance(asked, int) else before[0], given if isinstance(given, int) else before[1]
