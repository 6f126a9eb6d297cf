"""Holding a run against the one that it repeats, whoever brought it to its end: by what lies in its directory alone."""

from kit import store
from kit.comparing import repeating
from kit.comparing.repeating import Rounds
from kit.errors import HostError, NotAcceptedError
from kit.model.reproduction import REPRODUCTION, Measured, Original, Reproduction
from kit.report import reading, repetition
from kit.runtimes import notes
from kit.store import RunDir


def measured(known: dict[repeating.Key, Rounds]) -> tuple[Measured, ...]:
    """Figures as a run keeps them of its original."""
    return tuple(
        Measured(
            key=key,
            figures=tuple(found.figures.items()),
            requests=found.requests,
            success=found.success,
            step=tuple(found.step.items()) if found.step is not None else None,
        )
        for key, found in known.items()
    )


def _figures(original: Original) -> dict[repeating.Key, Rounds]:
    return {
        one.key: Rounds(dict(one.figures), one.requests, one.success, dict(one.step) if one.step is not None else None)
        for one in original.measured
    }


def keep(run: RunDir) -> None:
    """Write down what came of repeating another run, once this one is whole and as long as nobody has signed it without that.

    Nothing is written where the run repeats none. Raises `HostError`.
    """
    if run.reproduction() is not None or reading.signed(run) is not None:
        return
    original = run.original()
    if original is None or run.status().status != "complete":
        return
    try:
        with notes.writing(run.path):
            store.write_once(run.path / REPRODUCTION, compared(original, run).to_json())
    except OSError as error:
        raise HostError(f"{run.path / REPRODUCTION} cannot be written: {error.strerror}") from error


def compared(original: Original, run: RunDir) -> Reproduction:
    """A run held against its original."""
    plan = run.plan()
    # A case that was left out of the repetition is one of which nothing can be said.
    cases = {case.key: case for case in (*original.cases, *plan.cases)}
    return Reproduction(
        original=original.name,
        source_sha256=original.source_sha256,
        signed_by=original.signed_by,
        machine_known=original.machine_known,
        run=run.name,
        figures=repeating.judge(
            tuple(cases.values()),
            dict(original.tolerances),
            _figures(original),
            repeating.of_results([(result.case, result.figures) for result in run.results(plan)]),
        ),
        differences=original.differences,
    )


def require_reproduced(found: Reproduction) -> None:
    """Raises `NotAcceptedError` where it was not reproduced, or where that cannot be said."""
    if found.outcome != "reproduced":
        raise NotAcceptedError(repetition.sentence(found, "en"))
