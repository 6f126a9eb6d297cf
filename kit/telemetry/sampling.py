"""Sampling: the accelerators' tool and the kernel's counters, each in a thread of its own, with the times of every reading.

A tick that is late is dropped, never queued. A tool that hangs or fails costs its own readings and nothing else.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from kit.accelerators import ACCELERATORS, Accelerator
from kit.inventory.asking import PLACES
from kit.model import CardReading, CardTick, HostTick, Plan, Program
from kit.model.evidence import Command, Evidence, Raw
from kit.ports import Host, Output, ToolMissing, ToolTimeout
from kit.telemetry.processors import Processors

INTERVAL_S = 2.0
_DETAIL_EVERY = 15
"""What a tool tells card by card is asked once in so many ticks: each question is a program of its own."""
_REST_AFTER_HANG_S = 60.0
_CLOSING_S = 12.0

Tick = CardTick | HostTick


class Cards:
    """The accelerators of a plan, asked through their tool."""

    def __init__(self, plan: Plan, host: Host) -> None:
        wish = plan.machine.accelerator
        self._family: Accelerator | None = ACCELERATORS.get(wish.kind) if wish is not None else None
        self._wanted = frozenset(plan.devices)
        self._host = host
        self._questions = list(self._family.SAMPLES) if self._family is not None else []
        self._detail = self._family.DETAIL if self._family is not None else None
        self._details = Evidence()
        self._asked = 0
        self._rest_until_s = 0.0

    @property
    def count(self) -> int:
        """How many devices the run uses."""
        return len(self._wanted)

    @property
    def boards(self) -> int:
        """On how many cards these lie: of a card with two dies, the first tells the power of both."""
        return len({card for card, _ in self._wanted})

    @property
    def none(self) -> str | None:
        """Why there is nothing to ask, or None."""
        return None if self._family is not None else "the profile names no accelerators"

    def tick(self) -> CardTick | None:
        """One reading; None while a tool that hung is left alone."""
        began, at = self._host.monotonic(), self._host.now()
        if self._family is None or began < self._rest_until_s:
            return None
        try:
            cards = self._read(self._family)
            reason = None if len(cards) == self.count else f"the tool printed {len(cards)} of {self.count} cards"
        except ToolMissing as error:
            cards, reason = (), str(error)
            self._rest_until_s = self._host.monotonic() + _REST_AFTER_HANG_S
        except ToolTimeout as error:
            cards, reason = (), str(error)
            self._rest_until_s = self._host.monotonic() + _REST_AFTER_HANG_S
        return CardTick(at=at, began_s=began, took_s=self._host.monotonic() - began, cards=cards, reason=reason)

    def _read(self, family: Accelerator) -> tuple[CardReading, ...]:
        while True:
            question = self._questions[0]
            evidence = Evidence(self._details)
            evidence[question.key] = self._ask(question)
            found = family.sample(evidence)
            if found or len(self._questions) == 1:
                break
            # An older or a newer tool that does not know this form of the question: never asked again.
            self._questions.pop(0)
        if found and self._detail is not None and self._asked % _DETAIL_EVERY == 0:
            for number in sorted({reading.card for reading in found if (reading.card, reading.chip) in self._wanted}):
                self._ask_detail(self._detail.of(str(number)))
            found = family.sample(Evidence({**evidence, **self._details}))
        self._asked += 1
        return tuple(reading for reading in found if (reading.card, reading.chip) in self._wanted)

    def _ask_detail(self, detail: Command) -> None:
        try:
            self._details[detail.key] = self._ask(detail)
        except (ToolMissing, ToolTimeout) as error:
            self._details[detail.key] = Raw(None, str(error))
            self._detail = None

    def _ask(self, command: Command) -> Raw:
        output = _run(self._host, command)
        return Raw(output.stdout) if output.stdout.strip() else Raw(None, f"{command.argv[0]} printed nothing")


def _run(host: Host, command: Command) -> Output:
    tool, *rest = command.argv
    for path in (tool, *(f"{place}/{tool}" for place in PLACES)):
        try:
            return host.run((path, *rest), timeout_s=command.limit_s)
        except ToolMissing:
            continue
    raise ToolMissing(f"{tool} is not installed")


class Sampler:
    """Samples for as long as a run lasts. Each round begins and ends with it, and takes what was read in between."""

    def __init__(self, plan: Plan, host: Host, interval_s: float = INTERVAL_S) -> None:
        self.interval_s = interval_s
        self.cards = Cards(plan, host)
        self.processors = Processors(host)
        self._host = host
        self._ticks: list[Tick] = []
        self._lock = threading.Lock()
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Sampler"]:
        """Sample in the background while the context lasts."""
        sources: list[Callable[[], Tick | None]] = [self.processors.tick]
        if self.cards.none is None:
            sources.append(self.cards.tick)
        threads = [threading.Thread(target=self._loop, args=(source,), daemon=True) for source in sources]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join(_CLOSING_S)

    def _loop(self, source: Callable[[], Tick | None]) -> None:
        due = self._host.monotonic()
        while not self._over.is_set():
            tick = source()
            if tick is not None:
                self.keep(tick)
            now = self._host.monotonic()
            # Late ticks are dropped: the next is due at the next multiple of the interval.
            due += self.interval_s * max(1, int((now - due) // self.interval_s) + 1)
            self._over.wait(max(0.0, due - now))

    def keep(self, tick: Tick) -> None:
        """Add a reading."""
        with self._lock:
            self._ticks.append(tick)

    def begin(self, client: Program) -> None:
        """A round begins, with this load generator."""
        self.processors.follow(client.argv[1:])
        with self._lock:
            # The last readings before a round belong to its beginning.
            self._ticks = _last(self._ticks)

    def end(self) -> Sequence[Tick]:
        """A round has ended: what was read since its beginning, and just before."""
        self.processors.follow(())
        with self._lock:
            return tuple(self._ticks)


def _last(ticks: Sequence[Tick]) -> list[Tick]:
    """The latest reading of each kind."""
    latest = {tick.kind: tick for tick in ticks}
    return sorted(latest.values(), key=lambda tick: tick.began_s)
