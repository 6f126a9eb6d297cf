"""Judgements: what was held against what, and what came of it."""

from datetime import date
from typing import Literal

from kit.model.acceptance import Relation
from kit.model.record import Record
from kit.model.result import Doubt

Outcome = Literal["met", "not-met", "uncertain", "waived"]


class Judged(Record):
    """One criterion for one case.

    `value` is the mean over rounds, `half_width` half of its 95 % confidence interval where there are several rounds.
    `baseline` and `change` are set where the limit comes from a baseline. `excess` says by how much the limit is missed,
    as a share of it. `reason` says why nothing could be decided.
    """

    metric: str
    case: str
    relation: Relation
    limit: float | None
    baseline: float | None = None
    change: float | None = None
    value: float | None = None
    half_width: float | None = None
    outcome: Outcome
    excess: float | None = None
    reason: Doubt | None = None
    waiver: int | None = None


class WaiverUse(Record):
    """A waiver of the profile and what it did: it was needed, it was not, or it had expired when the run began."""

    metric: str
    reason: str
    name: str
    expires: date
    state: Literal["used", "unneeded", "expired"]


class Verdict(Record):
    """What the criteria say of a run. `none`: there were no criteria."""

    outcome: Literal["none", "met", "waived", "not-met", "uncertain"]
    judged: tuple[Judged, ...] = ()
    waivers: tuple[WaiverUse, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether nothing stands against the results: all is met or waived, or nothing was asked."""
        return self.outcome in ("none", "met", "waived")

    def count(self, outcome: Outcome) -> int:
        return sum(entry.outcome == outcome for entry in self.judged)


class Finding(Record):
    """A relation that a table of results must satisfy and does not.

    `cells` are the figures concerned as (metric, value as written, place); `expected` is what the others make of the first.
    `size` is (found - expected) / expected.
    """

    identity: str
    case: str
    cells: tuple[tuple[str, str, str], ...]
    found: float
    expected: float
    size: float | None
    explanation: str


class Check(Record):
    """One relation over the whole table: in how many rows it could be checked, where it broke, and the worst deviation."""

    identity: str
    rows: int
    broken: int
    worst: float | None


class Audit(Record):
    """The audit of one table. `skipped` says what could not be read or checked, each with its place."""

    source: str
    rows: int
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...] = ()
