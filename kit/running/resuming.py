"""Going on with a run: what must be the same as when it began, how often it was tried, and what a killed kit left in it."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path

from kit import __version__, bounded, documents, rounds, searches, store
from kit import inventory as inventories
from kit import profile as profiles
from kit.durable import clear, held, replace
from kit.errors import EnvironmentUnavailableError, KitError, Problem, UsageError
from kit.inventory import Collected
from kit.model import Inventory, Plan, Profile, RunStatus
from kit.ports import Runtime
from kit.profile import Loaded
from kit.redaction import Redactor, read_secret
from kit.running import prompting, remaking, striking
from kit.store import RunDir

_WHOLE = "the run directory is not as kit wrote it: restore the file from a copy of the run"
_SAME = "a run is finished with what it was started with, kit included: restore that, or start a new run"


def require_missing(run: RunDir, plan: Plan) -> None:
    """Raises `UsageError` where every round has its result, and the run was closed."""
    closed = (run.path / "run.json").is_file() and run.status().status == "complete"
    if closed and all(run.has(entry) for entry in rounds.needed(plan, run.results(plan))):
        raise UsageError(f"{run.path} has all its rounds", hint=f"kit report {run.name}")


Again = Callable[[Profile], Plan]
"""Makes the plan of a run anew from its profile."""


def require_same(
    run: RunDir, plan: Plan, runtime: Runtime, machine: Collected, again: Again, wanted: Loaded | None = None
) -> None:
    """Raises `UsageError` with everything that is not as it was when the run began: machine, profile, prompts, images,
    locks; and with every field of the plan that is not what `again` makes of the profile.

    `wanted` is a profile that was named beside the run.
    """
    problems = [
        *_environments(plan, runtime),
        *_machine(run.inventory(), machine.inventory),
        *_profile(run, plan, again, wanted),
        *prompting.changed(run, plan.cases),
    ]
    if problems:
        raise UsageError(f"{run.name} cannot be gone on with here as it began", problems=problems, hint=_SAME)


def _environments(plan: Plan, runtime: Runtime) -> Iterator[Problem]:
    for environment in plan.environments:
        if environment.kind == "image":
            try:
                # By its id alone: names move, and an image that came in a bundle has none of these.
                runtime.prepare(environment, lambda _: None)
            except EnvironmentUnavailableError as error:
                yield Problem(f"image {environment.title}", error.message, "kit image load FILE brings it back")
            continue
        try:
            now = runtime.pin(environment.name, environment.variant)
        except UsageError as error:
            yield Problem(f"lock {environment.title}", error.message, error.hint)
            continue
        if now != environment:
            yield Problem(f"lock {environment.title}", f"is {now.digest} now, and was {environment.digest}")


def _machine(before: Inventory, now: Inventory) -> Iterator[Problem]:
    for found in inventories.differences(before, now):
        if found.performance:
            unknown = f"not known ({found.why})" if found.why else "not known"
            yield Problem(
                f"machine: {found.name}", f"is {found.after or unknown} now, and was {found.before or unknown}"
            )


def _profile(run: RunDir, plan: Plan, again: Again, wanted: Loaded | None) -> Iterator[Problem]:
    path = run.path / "profile.yaml"
    try:
        stored = bounded.read(path, store.MOST_BYTES)
        text = stored.decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error.reason
        yield Problem("profile", f"{path} cannot be read: {why}")
        return
    if f"sha256:{hashlib.sha256(stored).hexdigest()}" != plan.profile_sha256:
        yield Problem("profile", f"{path} is not the one that the run began with")
        return
    try:
        profile = profiles.alone(text, str(path)).profile
        made = again(profile)
    except KitError as error:
        yield Problem("plan", f"cannot be made again: {error.message}", error.hint)
        yield from error.problems
        return
    if wanted is not None and wanted.sha256 != plan.profile_sha256:
        began = dict(_fields(documents.read(text, str(path), {}), ""))
        given = dict(_fields(documents.read(profiles.resolved(wanted.profile).decode(), wanted.source, {}), ""))
        for name in dict.fromkeys((*began, *given)):
            if (one := began.get(name)) != (other := given.get(name)):
                yield Problem(f"profile: {name}", f"is {_told(other)} in {wanted.source}, and was {_told(one)}")
    named = profile.load.tokenizer
    if made.tokenizer != plan.tokenizer and not named.startswith(("/", "~", "{")):
        what = f"is {plan.tokenizer} in plan.json, and {named} of the profile is {made.tokenizer} from here"
        yield Problem("plan: tokenizer", what, "go on from the directory in which the run began")
        return
    yield from remaking.differences(plan, made)


def _fields(data: object, where: str) -> Iterator[tuple[str, object]]:
    """Every value of a document by its dotted place."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from _fields(value, f"{where}.{name}" if where else str(name))
    else:
        yield where, data


def _told(value: object) -> str:
    return "not set" if value is None else repr(value)


def set_failed_aside(run: RunDir, plan: Plan) -> None:
    """Make room for the rounds in which no request succeeded: they measured nothing, and are tried again. What they left is
    kept under `abandoned/`. Those that told a search where its limits end have told it."""
    present = [entry for entry in plan.rounds if run.has(entry)]
    beyond = searches.beyond(plan, results := run.results(plan))
    for entry, result in zip(present, results, strict=True):
        if result.figures.succeeded == 0 and entry.case.id not in beyond:
            run.set_aside(entry)


# --- attempts ----------------------------------------------------------------------------------------------------


def begun(run: RunDir, plan: Plan, started: datetime) -> RunStatus:
    """The status of a run that has not measured anything yet."""
    return RunStatus(
        run=run.name,
        status="running",
        kit_version=__version__,
        profile=plan.profile,
        started=started,
        rounds_planned=len(plan.rounds),
    )


def next_attempt(run: RunDir) -> int:
    """The number of the attempt that comes now; one that was killed may have left files before its status."""
    done = run.status().attempts if (run.path / "run.json").is_file() else 0
    for number in count(done + 1):
        if not run.server_home(number).exists() and not run.preflight_file(number).exists():
            break
    return number


def settle(path: Path) -> str | None:
    """Bring a run directory that a killed kit left into order; one line if there was something to tell.

    Unfinished files go, half a line of the journal goes, and `run.json` says what happened. A directory in which nothing was
    planned yet is no run and goes whole. Left alone while another kit writes into it (`BlockingIOError`).
    """
    if not path.is_dir():
        return None
    with held(path) as free:
        if not free:
            raise BlockingIOError(f"another kit writes into {path}")
        if not (path / "plan.json").is_file():
            shutil.rmtree(path)
            return f"removed {path}, a run that was killed before anything was planned"
        return tidy(RunDir(path))


def tidy(run: RunDir) -> str | None:
    """As `settle`, for who holds the run already."""
    clear(run.path, earlier=True)
    prompting.take_away(run)
    _whole_lines(run.path / "journal.jsonl")
    with suppress(KitError):
        plan = run.plan()
        before = run.status() if (run.path / "run.json").is_file() else begun(run, plan, run.inventory().collected)
        if before.status == "running":
            done = sum(run.has(entry) for entry in plan.rounds)
            reason = f"kit was killed, or the machine went down: go on with: kit run --resume {run.path}"
            after = before.model_copy(update={"status": "interrupted", "reason": reason, "rounds_done": done})
            unstruck = _strike(run, plan)
            replace(run.path / "run.json", after.to_json())
            return (
                f"the run {run.name} was cut short after {done} of {len(plan.rounds)} rounds: kit was killed, or the "
                f"machine went down; go on with: kit run --resume {run.path}{unstruck}"
            )
    return None


def _strike(run: RunDir, plan: Plan) -> str:
    """Strike the API key out of what a load generator dumped in a round whose end kit did not live to see; what to add where
    the key is not known here."""
    cut_short = [entry for entry in (*plan.warmups, *plan.rounds) if not run.has(entry)]
    folders = [folder for folder in map(run.round_directory, cut_short) if folder.is_dir()]
    if plan.target.api_key is None or not folders:
        return ""
    for folder in folders:
        striking.drop_undecoded(folder)
    try:
        redactor = Redactor([read_secret(plan.target.api_key)])
    except KitError as error:
        where = ", ".join(map(str, folders))
        return f"\nuntil then the API key may stand in what the load generator wrote to {where}: {error.message}"
    for folder in folders:
        redactor.clean_folder(folder)
    return ""


def _whole_lines(journal: Path) -> None:
    """Cut off what follows the last whole line: a write that was cut short by a kill or a loss of power."""
    try:
        content = bounded.read(journal, store.MOST_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{journal} cannot be read: {error.strerror}", hint=_WHOLE) from error
    whole = content[: content.find(b"\0")] if b"\0" in content else content
    whole = whole[: whole.rfind(b"\n") + 1]
    if whole != content:
        replace(journal, whole)
