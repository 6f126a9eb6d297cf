"""The command that has evalscope send one round, with kit's transport or with its own."""

from collections.abc import Iterator

from kit import packed
from kit.instrument import prompts
from kit.instrument.asking import DATASET
from kit.model import Order
from kit.model.cases import Case
from kit.model.profile import Transport
from kit.model.shapes import Shape

PRECISE = "kit-precise"
"""The name under which kit's transport is registered."""


def cannot(case: Case, version: str, transport: Transport) -> str | None:
    """What of a case this version cannot send with this transport, or None."""
    rate, shape = case.rate, case.shape
    if transport == "precise":
        return None
    if shape is not None and (lacking := _beyond(shape)):
        return f"evalscope itself sends no {lacking} as kit defines them"
    if rate is None:
        return None
    if rate.arrivals != "poisson" or rate.burst > 1:
        return f"evalscope itself sends requests at a rate by chance only (Poisson, one by one), not {rate.label}"
    if version == "1.0.1" and not rate.per_second.is_integer():
        return f"evalscope 1.0.1 itself takes whole numbers of requests per second only, not {rate.per_second:g}"
    return None


def argv(order: Order) -> tuple[str, ...]:
    case = order.case
    precise = order.transport == "precise"
    command, api = (_sender(order), PRECISE) if precise else _plain(order)
    words = [
        *command,
        *("--url", f"{order.target.url}/v1/chat/completions"),
        *("--api", api),
        *("--model", order.target.model),
        *("--tokenizer-path", order.tokenizer),
        *_asking(order),
        *("--dataset", DATASET if precise and _asks(case) else "random"),
        *(("--parallel", str(case.concurrency)) if case.rate is None or precise else _rate(order)),
        *("--number", str(case.requests)),
        *_prompts(case),
        *("--min-tokens", str(case.output.tokens)),
        *("--max-tokens", str(case.output.tokens)),
        *("--extra-args", '{"ignore_eos": true}'),
        *("--read-timeout", f"{order.read_timeout_s:.0f}"),
        *("--connect-timeout", "30"),
        *("--seed", str(order.seed)),
        "--stream",
        *("--outputs-dir", "."),
        *("--name", "result"),
    ]
    if order.version != "1.0.1":
        # In 1.0.1 the first does nothing and the second does not exist: its test request is sent before the clock starts.
        words += ["--no-test-connection", "--no-timestamp"]
    return tuple(words)


def _sender(order: Order) -> tuple[str, ...]:
    processes = ("--processes", str(order.processes)) if order.processes else ()
    return (*packed.COMMAND, "evalscope", *processes, *_clock(order))


def _clock(order: Order) -> Iterator[str]:
    """What kit's sender is told of a rate and of a ramp; evalscope then knows only of requests and connections."""
    case = order.case
    if (rate := case.rate) is not None:
        yield from ("--per-second", f"{rate.per_second:g}", "--arrivals", rate.arrivals, "--burst", str(rate.burst))
        yield from ("--arrivals-seed", str(order.seed))
    if case.ramp_s is not None:
        yield from ("--ramp", f"{case.ramp_s:g}")


def _asks(case: Case) -> bool:
    """Whether requests of a case ask for different things."""
    shape = case.shape
    return shape is not None and bool(shape.lengths or shape.turns or shape.prompts)


def _asking(order: Order) -> Iterator[str]:
    """What kit's side of evalscope is told of requests that are not all alike."""
    case, shape = order.case, order.case.shape
    if order.transport != "precise" or shape is None or not _asks(case):
        return
    yield from ("--ask", str(case.input.tokens), str(case.output.tokens), str(order.seed))
    if shape.prefix is not None:
        yield from ("--shared", str(shape.prefix.tokens))
    for side in ("input", "output"):
        if shape.lengths is not None and (varied := getattr(shape.lengths, side)) is not None:
            yield from (f"--vary-{side}", str(varied))
    if shape.turns is not None:
        yield from ("--turns", str(shape.turns.number))
        if shape.turns.input is not None:
            yield from ("--turn-input", str(shape.turns.input.tokens))
    if shape.prompts is not None:
        yield from ("--prompts-file", prompts.FILE)


def _prompts(case: Case) -> Iterator[str]:
    """The lengths of evalscope's own prompts: all alike, or any between two."""
    shape = case.shape
    shared = shape.prefix.tokens if shape is not None and shape.prefix is not None else 0
    least = most = case.input.tokens - shared
    if shape is not None and shape.lengths is not None and (varied := shape.lengths.input) is not None:
        width = least * varied.percent / 100
        least, most = max(1, round(least - width)), round(least + width)
    yield from ("--min-prompt-length", str(least), "--max-prompt-length", str(most), "--prefix-length", str(shared))


def _beyond(shape: Shape) -> str | None:
    """What evalscope itself has not, or has otherwise."""
    lengths = shape.lengths
    if lengths is not None and (lengths.output or (lengths.input and lengths.input.distribution != "uniform")):
        return "lengths other than uniform ones of the input"
    named = [("turns", shape.turns), ("prompts from a file", shape.prompts), ("ramp", shape.ramp)]
    return next((name for name, found in named if found), None)


def _rate(order: Order) -> tuple[str, ...]:
    """evalscope's own open loop: 1.0.1 has none, but waits for nobody where it may have all requests under way at once."""
    assert order.case.rate is not None
    rate = ("--rate", f"{order.case.rate.per_second:g}")
    return ("--parallel", str(order.case.requests), *rate) if order.version == "1.0.1" else ("--open-loop", *rate)


def _plain(order: Order) -> tuple[tuple[str, ...], str]:
    """The command without kit's transport, and the name of the API."""
    # Kit's own entry point of the image takes a key from the environment, since on a command line anyone could read it,
    # and notes what 1.14.1 forgets. Without need for either, the command is evalscope's own.
    if order.version == "1.0.1" and order.target.api_key is None:
        return ("evalscope", "perf"), "openai"
    return ("evalscope-noted", "perf"), "openai-noted"
