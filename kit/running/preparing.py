"""What a plan needs before its run exists: environments, a model that kit makes by itself, an endpoint that serves."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

from kit.errors import HostError
from kit.events import Event, Seen
from kit.model import Plan
from kit.ports import Doors, EndpointError
from kit.redaction import Redactor
from kit.running.serving import COMPLETION_LIMIT_S, SHOWN_LINES
from kit.running.telling import Observe


def prepare(plan: Plan, doors: Doors, observe: Observe, scratch: Path) -> None:
    """Make what the plan needs before a run exists: environments, and a model that kit makes by itself."""

    def progress(text: str) -> None:
        observe(Seen(Event(at=doors.host.now(), kind="environment", text=text)))

    for told in doors.runtime.sweep():
        progress(f"stopped {told}")
    for environment in plan.environments:
        doors.runtime.prepare(environment, progress)
    if plan.model is not None:
        _make_model(plan, doors, progress, scratch)


def probe_endpoint(plan: Plan, doors: Doors, key: str | None) -> None:
    """For an endpoint that already runs: one completion, before a run directory exists. Raises `HostError`."""
    try:
        doors.endpoint.complete(plan.target, key, timeout_s=COMPLETION_LIMIT_S)
    except EndpointError as error:
        said = Redactor([key] if key else []).text(error.what)
        raise HostError(f"the endpoint does not serve: {said}", hint=error.hint) from error


def _make_model(plan: Plan, doors: Doors, progress: Callable[[str], None], scratch: Path) -> None:
    assert plan.model is not None
    tail: deque[str] = deque(maxlen=SHOWN_LINES)
    directory = Path(plan.model.directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    progress("the embedded model: made once, then checked against its digests")
    with doors.runtime.start(
        plan.model.program, directory=directory.parent, log=scratch, secrets={}, on_line=tail.append
    ) as maker:
        while (ended := maker.wait(5.0)) is None:
            progress("the embedded model: still being made")
    if ended.code != 0:
        said = " / ".join(tail)
        msg = f"the embedded model could not be made: {said or ended}"
        raise HostError(msg, hint=f"remove {directory} and run again")
