"""What can go wrong, one class per exit code.

A `KitError` is for the user: what was found, where, and what to do. Anything else that is raised is a defect and keeps its
traceback.
"""

import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `where` (a field, a file), `what` was found, and a `hint` what to do about it."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.hint})" if self.hint else text


class KitError(Exception):
    """Base of all errors that a user is expected to meet.

    `problems` holds every single finding when there are several, `hint` says what to do next.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)

    def __str__(self) -> str:
        lines = [self.message, *(f"  - {problem}" for problem in self.problems)]
        if self.hint:
            lines.append(f"what to do: {self.hint}")
        return "\n".join(lines)


class UsageError(KitError):
    """The command line names something that does not exist or does not fit together."""

    exit_code = 2


class ProfileError(UsageError):
    """A profile cannot be read or does not describe a possible test."""


class HostError(KitError):
    """This machine lacks something that the run needs; nothing was measured yet."""

    exit_code = 3


class EnvironmentUnavailableError(HostError):
    """An environment could not be fetched or built from its lock."""


class IncompleteError(KitError):
    """The run started but is not whole: the server or the load generator failed. Finished rounds are kept."""

    exit_code = 4


class NotComparableError(KitError):
    """Results that were not measured alike: what differs is named with both values."""

    exit_code = 5


class VerificationError(KitError):
    """Something is not what was recorded of it: a file, an archive or an image was altered or damaged."""

    exit_code = 6


class NotAcceptedError(KitError):
    """All was measured and written, but what was asked of the results is not met or cannot be decided."""

    exit_code = 7


class InterruptedRunError(KitError):
    """The user stopped the run. Finished rounds are kept."""

    exit_code = 130


def interruption(error: BaseException | None) -> str | None:
    """What interrupted kit; None where an error is neither Ctrl-C or a signal to end, nor what Python made of one: an
    interrupt at the wrong moment in a wait on a lock comes out as a `RuntimeError` about that lock, with the interrupt as its
    context."""
    while isinstance(error, RuntimeError):
        error = error.__context__
    if not isinstance(error, KeyboardInterrupt):
        return None
    return "the terminal was closed" if signal.SIGHUP in error.args else "stopped by the user"


def listed(found: Iterable[KitError]) -> tuple[Problem, ...]:
    """Errors as findings of another one: each with its own findings after it."""
    return tuple(problem for error in found for problem in (Problem("", error.message, error.hint), *error.problems))


def together(message: str, found: Sequence[KitError], hint: str) -> KitError:
    """Several errors as one with everything in one list; a single one as it is."""
    return found[0] if len(found) == 1 else EnvironmentUnavailableError(message, problems=listed(found), hint=hint)
