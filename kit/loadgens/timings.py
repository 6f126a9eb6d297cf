"""What a server says in its answers of its own work: times, and tokens that it had in a cache.

llama.cpp writes `timings` into its last chunk, vLLM `metrics` where it was started with --enable-per-request-metrics; both
in milliseconds. vLLM counts its time to the first token from the moment at which it scheduled the request: that is prefill.
"""

from dataclasses import dataclass

from kit.instrument.events import count_of

_LONGEST_MS = 30 * 24 * 3600 * 1000
_TELLING = ("usage", "timings", "metrics")


@dataclass(frozen=True, slots=True)
class Said:
    """Tokens of the prompt that came from a cache; seconds in the queue, in prefill, and from the first token to the last."""

    cached_tokens: int | None = None
    queue_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None


def taken(chunk: object, before: Said) -> Said:
    """What is known after a chunk: what it says, else what was known before it."""
    if not isinstance(chunk, dict) or chunk.keys().isdisjoint(_TELLING):
        return before
    cached = _cached(chunk.get("usage"))
    llamacpp, vllm = (found if isinstance(found := chunk.get(key), dict) else {} for key in ("timings", "metrics"))
    times = (
        _seconds(vllm.get("queue_time_ms")),
        _seconds(llamacpp.get("prompt_ms", vllm.get("time_to_first_token_ms"))),
        _seconds(llamacpp.get("predicted_ms", vllm.get("generation_time_ms"))),
    )
    known = (before.queue_s, before.prefill_s, before.decode_s)
    merged = (old if new is None else new for new, old in zip(times, known, strict=True))
    return Said(before.cached_tokens if cached is None else cached, *merged)


def _cached(usage: object) -> int | None:
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    found = details.get("cached_tokens") if isinstance(details, dict) else None
    return count_of(found)


def _seconds(milliseconds: object) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1000 if 0 <= milliseconds <= _LONGEST_MS else None
