"""What kit's transport kept: every answer as it crossed the socket, read into single requests when the round is over."""

import gzip
import math
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from statistics import fmean

from kit import bounded
from kit.instrument import exchange as kept
from kit.instrument import foreign
from kit.instrument.exchange import Exchange
from kit.instrument.outcomes import Stream, failure
from kit.loadgens import pauses, timings
from kit.loadgens.reading import ReadingError, short
from kit.loadgens.timings import Said
from kit.model import Doubt, Sample

SENDER = "sender.json"
SATURATED = 0.9
"""From this share of the time on that it works, or waits for a processor, a sender may read late."""
WAIT_MATTERS = 0.01
"""From this share of the mean TTFT on, what requests waited for connections is told."""
_NS = 1e9
_SMALL, _DENSEST = 2**26, 200
"""Bytes that any file may hold unpacked; and how many times more than its size a larger one may: the times alone keep it from half of that."""


def read(raw: Path, requests: int) -> tuple[tuple[Sample, ...], float | None]:
    """The requests of a round in the order in which they were sent, and when the first was, on the monotonic clock.

    Raises `ReadingError` where the file is none of the transport's, or holds more than so many.
    """
    path = raw / kept.FILE
    try:
        with bounded.opened(path) as packed, gzip.GzipFile(fileobj=packed) as file:
            most = max(_SMALL, _DENSEST * os.fstat(packed.fileno()).st_size)
            found = list(islice(kept.read(file, most), requests + 1))
    except FileNotFoundError as error:
        raise ReadingError(f"the transport left no {kept.FILE}") from error
    except bounded.UnfitError as error:
        raise ReadingError(f"{kept.FILE} cannot be read: {error.strerror}") from error
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError) as error:
        raise ReadingError(f"{kept.FILE} is damaged: {error}") from error
    if len(found) > requests:
        raise ReadingError(f"{kept.FILE} holds more than {requests} requests")
    sent = [one.sent_ns for one, _ in found if one.sent_ns is not None]
    origin = min(sent, default=None)
    found.sort(key=lambda entry: (entry[0].sent_ns or entry[0].scheduled_ns, entry[0].index))
    try:
        samples = tuple(sample(index, one, head, origin) for index, (one, head) in enumerate(found))
    except OverflowError as error:
        raise ReadingError(f"{kept.FILE} is damaged: a time that no clock shows") from error
    except (ValueError, TypeError) as error:
        raise ReadingError(f"{kept.FILE} is damaged: counts of tokens that are none") from error
    return samples, origin / _NS if origin is not None else None


def demand(raw: Path) -> float | None:
    """The share of the time in which the sender worked or waited for a processor; None where it did not say."""
    said = _said(raw)
    cpu, wall = said.get("cpu_s"), said.get("wall_s")
    return (cpu + said.get("waited_s", 0.0)) / wall if cpu is not None and wall else None


def doubts(raw: Path, samples: Sequence[Sample], began_s: float | None, *, rated: bool) -> Iterator[Doubt]:
    """Whether the sender kept up while it sent, and had its connections; at a rate the waiting for one is in the times.

    `began_s` is when the first request was sent, on the monotonic clock.
    """
    if (found := demand(raw)) is not None and found > SATURATED:
        yield Doubt(kind="client-saturated", values=(("demand", f"{found:.0%}"),))
    if began_s is not None and (paused := pauses.doubt(_told(raw), samples, began_s)) is not None:
        yield paused
    said = _said(raw)
    if again := said.get("sent_again"):
        yield Doubt(kind="sent-again", values=(("count", f"{again:.0f}"), ("of", str(len(samples)))))
    late = said.get("opened_late")
    waits = [one.sent_s - one.scheduled_s for one in samples if one.sent_s is not None and one.scheduled_s is not None]
    ttfts = [one.ttft_s for one in samples if one.succeeded and one.ttft_s is not None]
    if rated or not late or not waits or not ttfts:
        return
    if (mean := fmean(waits)) > WAIT_MATTERS * fmean(ttfts):
        values = {"count": f"{late:.0f}", "mean": f"{mean:.3g}", "most": f"{max(waits):.3g}"}
        yield Doubt(kind="connected-late", values=tuple(values.items()))


def _told(raw: Path) -> dict[str, object]:
    """What the sender says of itself; nothing where that cannot be read."""
    try:
        said = foreign.loads(bounded.read(raw / SENDER, bounded.TEXT_BYTES).decode("utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _said(raw: Path) -> dict[str, float]:
    """The same, as far as it is numbers."""
    pairs = _told(raw).items()
    return {name: value for name, value in pairs if isinstance(value, int | float) and math.isfinite(value)}


def sample(index: int, exchange: Exchange, head: Mapping[str, object], origin_ns: int | None) -> Sample:
    """One request. Its clock starts before the first byte is given to the kernel, and every time is that of a read."""
    stream, told = Stream(), Said()
    for chunk in stream.read(exchange):
        told = timings.taken(chunk, told)
    counted = head.get("counted")
    by_tokenizer = _counts(*counted) if isinstance(counted, list) and len(counted) == 2 else None
    tokens = stream.usage or by_tokenizer
    asked = head.get("asked")
    wanted = asked if isinstance(asked, list) and len(asked) == 2 else (None, None)
    turn = head.get("turn")
    error = failure(exchange, stream)
    start = exchange.sent_ns

    def since(at: int | None) -> float | None:
        return (at - start) / _NS if at is not None and start is not None else None

    def from_origin(at: int | None) -> float | None:
        return (at - origin_ns) / _NS if at is not None and origin_ns is not None else None

    return Sample(
        index=index,
        succeeded=error is None,
        error=short(error) if error is not None else None,
        scheduled_s=from_origin(exchange.scheduled_ns),
        sent_s=from_origin(start),
        first_byte_s=since(exchange.first_byte_ns),
        role_s=since(stream.role_ns),
        ttft_s=since(stream.text_ns[0]) if stream.text_ns else None,
        last_text_s=since(stream.text_ns[-1]) if stream.text_ns else None,
        latency_s=since(exchange.end_ns),
        gaps_s=tuple((later - earlier) / _NS for earlier, later in pairwise(stream.text_ns)),
        texts=len(stream.text_ns),
        input_tokens=tokens[0] if tokens else None,
        output_tokens=tokens[1] if tokens else None,
        tokens_from="usage" if stream.usage else "tokenizer" if tokens else None,
        input_asked=wanted[0],
        output_asked=wanted[1],
        turn=turn if isinstance(turn, int) else None,
        finish_reason=short(stream.finish) if stream.finish is not None else None,
        status=exchange.status,
        cached_tokens=told.cached_tokens,
        server_queue_s=told.queue_s,
        server_prefill_s=told.prefill_s,
        server_decode_s=told.decode_s,
    )


def _counts(prompt: str | int | None, answer: str | int) -> tuple[int | None, int]:
    """Of a prompt that holds what was said before nobody counted anything."""
    return None if prompt is None else int(prompt), int(answer)
