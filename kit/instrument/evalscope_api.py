"""evalscope with kit's transport: its own plugin point, for 1.0.1 and 1.14.1, in a process beside the one that sends.

evalscope makes the prompts and is told of the answers when the last one is over; what it decides is which requests go out, in which
order, and how many at once. Its own summary then only tells how many requests it saw: what is measured lies in the exchanges.
"""

import asyncio
import gc
import json
import socket
import sys
from array import array
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import ClassVar

from evalscope.perf.arguments import Arguments, parse_args
from evalscope.perf.main import run_perf_benchmark
from evalscope.perf.plugin.api.openai_api import OpenaiPlugin
from evalscope.perf.plugin.registry import register_api, register_dataset
from evalscope.perf.utils.benchmark_util import BenchmarkData

from kit.instrument import asking
from kit.instrument import exchange as exchanges
from kit.instrument.asking import DATASET, Asking
from kit.instrument.endpoint import ConnectError
from kit.instrument.evalscope_prompts import Prompts
from kit.instrument.events import Event, choice_of, events, parsed, text_of, usage_of
from kit.instrument.exchange import Exchange
from kit.instrument.load import PULSE
from kit.instrument.wire import Wire

API = "kit-precise"
_TAIL = 4096
_MANY = 100_000

_HERE = Path.cwd()
_plugins: "list[_Precise]" = []


class _Precise(OpenaiPlugin):  # type: ignore[misc]
    """What both versions share: requests handed to the sender before the first is sent, and answers taken from it."""

    wire: Wire
    asking: ClassVar[Asking | None] = None
    """What the requests ask for, where they are not all alike."""

    def __init__(self, param: object) -> None:
        super().__init__(param)
        self._numbers: dict[int, int] = {}
        self._bodies: list[object] = []
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._running = False
        self._wanted = list(self.asking.requests(_total(self.param))) if self.asking is not None else []
        # It is made before the prompts are.
        Prompts.wanted = self._wanted
        _plugins.append(self)

    def build_request(self, messages: object, param: object = None) -> object:
        """Called for every request before the first is sent: here the connections are opened, and requests become bytes."""
        body = super().build_request(messages, param)
        if isinstance(body, dict):
            if not self._bodies:
                gc.freeze()
                gc.enable()
                self._open()
            number = len(self._bodies)
            told: dict[str, object] = {"number": number}
            if self._wanted:
                wanted = self._wanted[number]
                body["min_tokens"] = body["max_tokens"] = wanted.output
                told |= {"after": number - 1} if wanted.turn > 1 else {}
            self._numbers[id(body)] = number
            self._bodies.append(body)
            self.wire.tell(told, json.dumps(body, ensure_ascii=False).encode())
        return body

    def _open(self) -> None:
        found = self.param
        self.wire.tell(
            {
                "url": found.url,
                "connect_timeout_s": found.connect_timeout or 30,
                "read_timeout_s": found.read_timeout or 3600,
                "connections": max(1, min(int(found.parallel), _total(found))),
            }
        )
        said, _ = self.wire.hear()
        if "refused" in said:
            raise ConnectError(said["refused"])

    async def _exchange(self, body: object) -> Exchange:
        if not self._running:
            self._run()
        begin = await self._answers[self._numbers[id(body)]]
        with open(_HERE / exchanges.OPEN, "rb") as spool:
            spool.seek(begin)
            found, _ = next(exchanges.read(spool))
        return found

    def _run(self) -> None:
        """The first request is due: from here on the sender keeps as many under way as evalscope would."""
        self._running = True
        loop = asyncio.get_running_loop()
        self._answers = {number: loop.create_future() for number in self._numbers.values()}
        self.wire.tell({"at_once": int(self.param.parallel)})
        loop.add_reader(self.wire.sock.fileno(), self._told)

    def _told(self) -> None:
        """The load is over, or the sender is gone."""
        asyncio.get_running_loop().remove_reader(self.wire.sock.fileno())
        try:
            self.wire.hear()
        except EOFError:
            for answer in self._answers.values():
                answer.set_exception(ConnectionError("the sender ended before the load was over"))
            return
        with open(_HERE / exchanges.OPEN, "rb") as spool:
            begin = 0
            for found, _ in exchanges.read(spool):
                self._answers[found.index].set_result(begin)
                begin = spool.tell()

    def told(self, exchange: Exchange) -> Iterator[tuple[str, object]]:
        """What is kept of a request beside its exchange; after the round."""
        if (counted := self._counted(exchange)) is not None:
            yield "counted", counted
        if self._wanted:
            wanted = self._wanted[exchange.index]
            # A later prompt of a conversation is as long as all before it came to be.
            yield "asked", (wanted.input if wanted.turn == 1 else None, wanted.output)
            yield "turn", wanted.turn

    def _counted(self, exchange: Exchange) -> tuple[int | None, int] | None:
        """Tokens of prompt and answer by the tokenizer, without those that mark their ends, where the server did not count them."""
        said, body = _said(exchange), self._bodies[exchange.index]
        if not said or self.tokenizer is None or not isinstance(body, dict):
            return None
        answer = self._tokens(said)
        if self._wanted and self._wanted[exchange.index].turn > 1:
            # What was sent also held what was said before.
            return None, answer
        return self._tokens("".join(str(message.get("content")) for message in body.get("messages", ()))), answer

    def _tokens(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def parse_responses(self, responses: object, request: object = None, **_: object) -> tuple[int, int]:
        """evalscope's own count, of what it was handed."""
        del request
        assert isinstance(responses, list)
        counted = usage_of(responses[-1]) if responses else None
        return counted or (0, 0)


def _events(exchange: Exchange) -> Iterator[Event]:
    """The events of an answer; who waits for the round is told that it goes on, since millions of them take a while."""
    for number, event in enumerate(events(exchange.body, exchange.times_ns, exchange.sizes)):
        if number % _MANY == 0:
            with open(_HERE / PULSE, "ab") as pulse:
                pulse.write(b".")
        yield event


def _total(parameters: Arguments) -> int:
    return int(getattr(parameters, "total_count", None) or parameters.number)


def _seen(exchange: Exchange) -> tuple[float | None, tuple[int, int] | None]:
    """First text in seconds, and usage: from the first events and from the last ones, as the rest waits."""
    first = None
    for event in _events(exchange):
        try:
            if text_of(choice_of(parsed(event))):
                first = event.at_ns / 1e9
                break
        except ValueError:
            break
    tail = exchange.body[-_TAIL:]
    usage = None
    for event in events(tail, array("q", [0]), array("I", [len(tail)])):
        try:
            usage = usage_of(parsed(event)) or usage
        except ValueError:
            continue
    return first, usage


def _good(exchange: Exchange) -> bool:
    return exchange.error is None and exchange.status == 200 and "event-stream" in exchange.content_type


def _said(exchange: Exchange) -> str:
    """The text of a whole answer without usage; nothing of any other."""
    if not _good(exchange) or _seen(exchange)[1] is not None:
        return ""
    try:
        return "".join(text_of(choice_of(parsed(event))) for event in _events(exchange))
    except ValueError:
        return ""


class Generating(_Precise):
    """For 1.0.1, which stamps what a generator yields: it is told of an answer when this is whole."""

    async def process_request(
        self, client_session: object, url: str, headers: object, body: object
    ) -> AsyncIterator[tuple[bool, int | None, object]]:
        del client_session, url, headers
        found = await self._exchange(body)
        _, usage = _seen(found)
        counted = usage or (0, 0)
        if _good(found):
            yield False, 200, {"usage": {"prompt_tokens": counted[0], "completion_tokens": counted[1]}}
        else:
            yield True, found.status, found.error or f"HTTP {found.status}"


class Returning(_Precise):
    """For 1.14.1, which takes a whole record."""

    async def process_request(self, client_session: object, url: str, headers: object, body: object) -> BenchmarkData:
        del client_session, url, headers
        found = await self._exchange(body)
        first, usage = _seen(found)
        counted = usage or (0, 0)
        sent = (found.sent_ns or found.scheduled_ns) / 1e9
        ended = (found.end_ns or found.scheduled_ns) / 1e9
        return BenchmarkData(
            request="{}",
            success=_good(found) and first is not None,
            is_stream=True,
            start_time=sent,
            completed_time=ended,
            query_latency=ended - sent,
            first_chunk_latency=first - sent if first is not None else 0.0,
            prompt_tokens=counted[0],
            completion_tokens=counted[1],
            status_code=found.status,
            error=found.error,
        )


def run(descriptor: int, words: list[str]) -> int:
    """`evalscope perf` with these words, the sender at the other end of that socket; then the exchanges packed."""
    _Precise.wire = Wire(socket.socket(fileno=descriptor))
    asked, words = asking.told(words)
    register_api(API)(Returning if hasattr(BenchmarkData, "finalize") else Generating)
    sys.argv = ["evalscope", *words]
    arguments = parse_args()
    # In 1.0.1 the option does nothing, and its test request would run on into what is measured.
    arguments.no_test_connection = True
    if asked is not None:
        register_dataset(DATASET)(Prompts)
        _Precise.asking = asked
        Prompts.prefix = asked.prefix
    run_perf_benchmark(arguments)
    exchanges.pack(_HERE, lambda found: dict(next(plugin.told(found) for plugin in _plugins)))
    (_HERE / PULSE).unlink(missing_ok=True)
    return 0
