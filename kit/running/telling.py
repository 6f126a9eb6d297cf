"""What a run tells as it goes on: each event to whoever watches and into the journal, with the time that is left."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from kit import estimate, rounds, searches, streams
from kit.events import Event, Kind, Seen
from kit.legacy import baseline as baselines
from kit.model import Plan, RoundPlan, RoundResult
from kit.model.rates import CaseKey
from kit.ports import Host
from kit.redaction import Redactor
from kit.store import RunDir

Observe = Callable[[Seen], None]


class Teller:
    """Tells the events of one attempt; `known` is what finished rounds, or a baseline, say of each case."""

    def __init__(
        self, plan: Plan, run: RunDir, host: Host, redactor: Redactor, missing: Sequence[RoundPlan], observe: Observe
    ) -> None:
        self._plan = plan
        self._open = plan.until is not None or bool(plan.searches)
        self._run = run
        self._host = host
        self._redactor = redactor
        self._missing = missing
        self._observe = observe
        self.known: dict[CaseKey, estimate.Known] = {}
        self._results: list[RoundResult] = []
        self._overheads: list[float] = []
        self._telling = threading.Lock()
        self._read = True

    def learn_from_finished(self) -> None:
        if (baseline := self._run.baseline()) is not None:
            for entry in estimate.from_rows(baselines.read(baseline, str(self._plan.acceptance.baseline))):
                self.known[entry.case] = entry
        for result in self._run.results(self._plan):
            self.learn(result)

    def learn(self, result: RoundResult) -> None:
        if self._open:
            # Nothing else depends on them, and a run may have many.
            self._results.append(result)
        found = result.figures
        if found.latency_s is not None and found.ttft_s is not None:
            self.known[result.case.key] = estimate.known(result.case, found.latency_s.mean, found.ttft_s.mean)
        if found.window_s is not None:
            self._overheads.append(max(0.0, result.duration_s - found.window_s))

    def needed(self) -> tuple[RoundPlan, ...]:
        """The rounds that make the run whole, as far as its results tell."""
        return rounds.needed(self._plan, self._results)

    def needs(self, entry: RoundPlan) -> bool:
        return not self._open or entry in self.needed()

    def beyond(self, entry: RoundPlan) -> bool:
        """Whether a round only shows where the limits of a search end."""
        return entry.case.id in searches.beyond(self._plan, self._results)

    def _rest_s(self) -> float | None:
        rest = [entry for entry in self._missing if not self._run.has(entry) and self.needs(entry)]
        cold = {entry.case.id for entry in rest if entry.round == 1}
        rest += [entry for entry in self._plan.warmups if entry.case.id in cold]
        overhead = sum(self._overheads) / len(self._overheads) if self._overheads else estimate.OVERHEAD_S
        return estimate.seconds(rest, tuple(self.known.values()), overhead)

    def tell_estimate(self) -> None:
        rest = self._rest_s()
        text = "how long it takes is known after the first case" if rest is None else "estimated duration of the rounds"
        self.tell("estimate", text, rest_s=rest)

    def tell(
        self,
        kind: Kind,
        text: str,
        entry: RoundPlan | None = None,
        *,
        position: int | None = None,
        of: int | None = None,
        rest_s: float | None = None,
        result: RoundResult | None = None,
    ) -> None:
        event = Event(
            at=self._host.now(),
            kind=kind,
            text=self._redactor.text(text),
            case=entry.case.id if entry else None,
            round=entry.round if entry else None,
            position=position,
            of=of,
            rest_s=rest_s if rest_s is not None else self._rest_s() if kind in ("round-start", "round-end") else None,
        )
        # The server's start-up phases are told by the thread that reads its log.
        with self._telling:
            # What whoever watches cannot write is none of the run's own files.
            with suppress(OSError):
                self._observe(Seen(event, result))
            self._run.journal(event)
            if self._read and (unread := streams.lost()) is not None:
                self._read = False
                text = f"{unread}: the run goes on, and what it finds is in its files"
                self._run.journal(Event(at=self._host.now(), kind="warning", text=text))
