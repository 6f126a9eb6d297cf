"""The command that has evalscope send one round, with kit's transport or with its own."""

from collections.abc import Iterator

from kit import packed
from kit.model import Order
from kit.model.cases import Case
from kit.model.profile import Transport

PRECISE = "kit-precise"
"""The name under which kit's transport is registered."""


def cannot(case: Case, version: str, transport: Transport) -> str | None:
    """What of a case this version cannot send with this transport, or None."""
    rate = case.rate
    if rate is None or transport == "precise":
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
        *("--dataset", "random"),
        *(("--parallel", str(case.concurrency)) if case.rate is None or precise else _rate(order)),
        *("--number", str(case.requests)),
        *("--min-prompt-length", str(case.input.tokens)),
        *("--max-prompt-length", str(case.input.tokens)),
        *("--prefix-length", "0"),
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
    """What kit's sender is told of a rate; evalscope then knows only of requests and connections."""
    if (rate := order.case.rate) is not None:
        yield from ("--per-second", f"{rate.per_second:g}", "--arrivals", rate.arrivals, "--burst", str(rate.burst))
        yield from ("--arrivals-seed", str(order.seed))


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
