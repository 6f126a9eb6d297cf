"""What a run is about to start, told before anything does."""

from collections.abc import Iterator

from kit.model import Plan
from kit.ports import Runtime
from kit.store import RunDir


def starting(plan: Plan, runtime: Runtime, run: RunDir | None) -> Iterator[str]:
    """What the server's container gets beyond the least; of a run that is gone on with first how far it is, and the commands of
    all that will be started, of its rounds that of the first that is missing."""
    server = plan.server.program if plan.server is not None else None
    if run is not None:
        missing = [entry for entry in plan.rounds if not run.has(entry)]
        yield f"going on with {run.path}: {len(missing)} of {len(plan.rounds)} rounds have no result yet"
        model = plan.model.program if plan.model is not None else None
        for program in (model, server, missing[0].program if missing else None):
            if program is not None:
                yield f"starts the {program.name}: {runtime.command(program, plan.target.api_key)}"
    if plan.runtime == "docker" and server is not None and server.beyond:
        yield f"the server's container gets beyond the least: {' '.join(server.beyond)}"
