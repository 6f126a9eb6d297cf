"""Asking a server that kit started what it says of its own times, before a round and after it."""

from collections.abc import Sequence

from kit import servertimes
from kit.engines import ENGINES
from kit.engines.flags import given
from kit.model import Doubt, Plan, Sample, ServerTimes
from kit.ports import Doors, EndpointError
from kit.servertimes import Reading

_AGAIN_S = 0.5
"""Servers count a request a little after its last byte has left."""


class Asked:
    """The server's histograms as they were before a round. An endpoint that kit did not start is asked nothing."""

    def __init__(self, plan: Plan, doors: Doors) -> None:
        self._plan = plan
        self._doors = doors
        self._spelled = ENGINES[plan.engine].HISTOGRAMS
        self._refused: str | None = None
        self._before = self._read()

    def told(self, samples: Sequence[Sample]) -> ServerTimes:
        """What the server says of the round that is over."""
        found = servertimes.of_answers(samples)
        if found is None and self._before is not None:
            good = sum(one.succeeded for one in samples)
            found = self._gained(samples)
            if found is None or found.requests < good:
                self._doors.host.sleep(_AGAIN_S)
                found = self._gained(samples)
        return found or ServerTimes(source="nothing", reason=self._why())

    def _gained(self, samples: Sequence[Sample]) -> ServerTimes | None:
        after = self._read()
        if self._before is None or after is None:
            return None
        return servertimes.of_metrics(servertimes.gained(self._before, after), self._spelled, samples)

    def _read(self) -> Reading | None:
        if self._plan.server is None or not self._spelled.names:
            return None
        try:
            text = self._doors.endpoint.get(self._plan.target, servertimes.PATH, most_bytes=servertimes.LARGEST_BYTES)
        except EndpointError as error:
            self._refused = error.what
            return None
        return servertimes.parse(text, self._spelled.names)

    def _why(self) -> Doubt:
        server, needs = self._plan.server, self._spelled.needs
        if server is None:
            return Doubt(kind="server-not-ours")
        if not self._spelled.names:
            return Doubt(kind="server-has-none")
        if needs is not None and given((server.program.argv,), needs) is None:
            return Doubt(kind="server-needs", values=(("flag", needs),))
        if self._refused is not None:
            return Doubt(kind="server-refused", values=(("reason", self._refused),))
        return Doubt(kind="server-counted-none")
