"""What the commands do, end to end: here the doors are opened and handed to the layers below."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from kit import beside, bounded, durable, renderers, runtimes, store
from kit import inventory as inventories
from kit import plan as plans
from kit import profile as profiles
from kit.endpoint import HttpEndpoint
from kit.errors import HostError, KitError, NotAcceptedError, ProfileError, UsageError
from kit.events import Event, Seen
from kit.host import LocalHost
from kit.inventory import Collected
from kit.inventory.cpu import online
from kit.legacy import baseline as baselines
from kit.model import MadeModel, Plan, Profile
from kit.model.attestation import REPORT
from kit.model.profile import Language
from kit.model.report import Report
from kit.ports import Doors, Progress
from kit.redaction import read_secret
from kit.report import building as reports
from kit.report import reading, verdicts
from kit.resources import cache
from kit.running import announcing, beginning, finishing, places, preparing, remaking, resuming, runner, trying
from kit.running.beginning import Prepared
from kit.running.runner import Observe
from kit.runtimes import environments, notes
from kit.store import RunDir
from kit.workflows import imaging, preflight, repeated, writing

Write = Callable[[RunDir], Report]
FORMATS = tuple(renderers.RENDERERS)


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over: its directory, its report, every file of it, and the seconds that preparing and running took."""

    run: RunDir
    report: Report
    files: tuple[Path, ...]
    prepared_s: float
    ran_s: float


def plan(
    reference: str,
    settings: Sequence[str],
    runtime: Literal["process", "docker"],
    out: Path,
    platform: str | None = None,
) -> Prepared:
    """Decide everything for a run of a profile."""
    return planned(profiles.load(reference, settings), runtime, out, platform)


def planned(
    loaded: profiles.Loaded,
    runtime: Literal["process", "docker"],
    out: Path,
    platform: str | None = None,
    *,
    images: Path | None = None,
    kept: Path | None = None,
    pin: plans.Pin | None = None,
    version: plans.LockedVersion | None = None,
    collected: Collected | None = None,
) -> Prepared:
    """Decide everything for a run of a profile that was read; with other locks or images than kit's own where given, whose
    environments are `kept` in another folder."""
    if problems := list(beside.missing(loaded.profile, loaded.prompts)):
        raise ProfileError(f"{loaded.source} names prompts that are not there", problems=problems)
    doors = runtimes.make(runtime, platform, images, kept)
    # Which cards a plan uses is decided by what this machine has; where none are asked for, it is looked at when the run begins.
    host = LocalHost()
    if collected is None and loaded.profile.machine.accelerator is not None:
        collected = inventories.collect(host)
    made = plans.make(
        loaded.profile,
        sha256=loaded.sha256,
        runtime=runtime,
        pin=pin or (imaging.explained(doors, platform) if runtime == "docker" else doors.pin),
        models=cache() / "models",
        version=version or doors.version,
        platform=platform,
        inventory=collected.inventory if collected is not None else None,
        cpus=online(host),
        prompts={sha256: beside.number(content) for sha256, content in loaded.prompts.items()},
    )
    if loaded.baseline is not None:
        # Now, and not after hours of measuring: what the results will be held against can be read.
        baselines.read(loaded.baseline, str(loaded.profile.acceptance.baseline))
    stored = profiles.resolved(loaded.profile)
    return Prepared(
        *(made, stored, out, loaded.baseline),
        collected=collected,
        images=images,
        environments=kept,
        prompts=loaded.prompts,
    )


def resume(reference: str, out: Path, profile: str | None = None, settings: Sequence[str] = ()) -> Prepared:
    """The plan of an earlier run, as it was. Raises `UsageError` where nothing is missing, something is not as it was, or the
    plan is not the one that its profile gives."""
    wanted = profiles.load(profile, settings) if profile is not None else None
    run = store.find(reference, out)
    stored = run.plan()
    places.require_own(run)
    resuming.require_missing(run, stored)
    host = LocalHost()
    collected = inventories.collect(host)
    door = runtimes.make(stored.runtime, stored.platform)

    def again(profile: Profile) -> Plan:
        models, machine = cache() / "models", collected.inventory
        made = remaking.again(profile, stored, door, machine, models=models, cpus=online(host))
        # Whether a rehearsal takes the tokenizer of that model was decided by what the machine had.
        return with_model(made, toy(out)) if profile.report.rehearsal and stored.model is not None else made

    resuming.require_same(run, stored, door, collected, again, wanted)
    return Prepared(stored, b"", run.path.parent, run=run, collected=collected)


def toy(out: Path) -> MadeModel:
    """The model that comes with kit."""
    model = plan("smoke", (), "process", out).plan.model
    assert model is not None
    return model


def with_model(made: Plan, model: MadeModel) -> Plan:
    """The plan that first makes a model, whose tokenizer stands in for one that is not there."""
    environments = dict.fromkeys((*made.environments, model.program.environment))
    return made.model_copy(update={"model": model, "environments": tuple(environments)})


def run(
    prepared: Prepared, observe: Observe, *, force: bool = False, wait: bool = False, write: Write | None = None
) -> Finished:
    """Execute a plan and write its report. A run cut short gets one too, marked as a draft, and then the error is raised.

    `force` goes on although a check of the machine fails; `wait` waits for another run on this machine to end; `write` is
    called when the run is over, whole or not, instead of writing the standard report.
    """
    host = LocalHost()

    def tell(text: str) -> None:
        observe(Seen(Event(at=host.now(), kind="environment", text=text)))

    with preflight.alone(host, tell, wait=wait) as busy:
        return _run(prepared, observe, host, busy, write or _standard, force=force)


def _run(
    prepared: Prepared, observe: Observe, host: LocalHost, busy: str | None, write: Write, *, force: bool
) -> Finished:
    made = prepared.plan
    began = host.monotonic()
    runtime = runtimes.make(made.runtime, made.platform, prepared.images, prepared.environments)
    doors = Doors(runtime, host, HttpEndpoint())
    key = read_secret(made.target.api_key) if made.target.api_key is not None else None
    for text in announcing.starting(made, doors.runtime, prepared.run):
        observe(Seen(Event(at=host.now(), kind="run", text=text)))
    collected = prepared.collected or inventories.collect(host)
    checked = preflight.before(made, doors, collected, prepared.out, busy=busy, force=force, observe=observe)
    with notes.scratch("run") as scratch:
        preparing.prepare(made, doors, observe, Path(scratch) / "make-model.log")
    if made.server is None:
        preparing.probe_endpoint(made, doors, key)
    ready = host.monotonic()
    with beginning.begun(prepared, collected, checked) as (directory, attempt):
        try:
            runner.execute(made, doors=doors, run=directory, key=key, observe=observe, attempt=attempt)
        except KitError:
            # The finished rounds deserve their report, but what ended the run is what the user must be told.
            with contextlib.suppress(KitError, OSError, KeyboardInterrupt):
                write(directory)
            raise

        def rest() -> Report:
            if directory.calibration() is None:
                text = "the instrument's own error is tried: the same sender against a server whose times are known"
                observe(Seen(Event(at=host.now(), kind="environment", text=text)))
                # The run is whole, with or without it.
                with contextlib.suppress(KitError, OSError):
                    trying.calibrate(made, doors, directory, host.monotonic() - ready)
            return write(directory)

        built = finishing.reported(directory.path, rest, lambda: write(directory), observe, host)
    files = tuple(sorted(path for path in directory.path.rglob("*") if path.is_file()))
    return Finished(directory, built, files, ready - began, host.monotonic() - ready)


def _standard(directory: RunDir) -> Report:
    built, _ = write_report(directory)
    return built


def require_accepted(found: Report) -> None:
    """Raises `NotAcceptedError` where the criteria are not met or cannot be decided."""
    if not found.verdict.accepted:
        first = next(iter(verdicts.lines(found.verdict, "en")))
        raise NotAcceptedError(first, hint=f"kit report {found.run} writes the table of criteria")


def write_report(
    directory: RunDir,
    formats: Sequence[str] = renderers.STANDARD,
    lang: str | None = None,
    to: Path | None = None,
    template: str | None = None,
) -> tuple[Report, tuple[Path, ...]]:
    """Write the report of a run in the formats asked for, from what lies in its directory; and what came of repeating another.

    Another layout than the standard one writes into a folder of its own.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise UsageError(f"there is no format {unknown[0]!r}", hint=f"one of: {', '.join(FORMATS)}")
    if lang not in (None, *get_args(Language)):
        raise UsageError(f"there is no language {lang!r}", hint=f"one of: {', '.join(get_args(Language))}")
    from kit.renderers import layouts

    layout = layouts.find(template) if template is not None else None
    if to is None:
        _require_inside(directory.path / REPORT, layout.name if layout is not None else "")
        repeated.keep(directory)
    built = reports.build(reports.read(directory), "en" if lang == "en" else "zh-CN" if lang == "zh-CN" else None)
    folder = to or directory.path / REPORT / (layout.name if layout is not None else "")
    # All are rendered before the first is written: a template that fails leaves the old report whole.
    rendered = [(folder / renderers.file_name(name), renderers.render(name, built, layout)) for name in formats]
    if to is None and reading.signed(directory) is not None:
        _require_signed(directory, rendered)
    if to is None:
        with contextlib.suppress(OSError):
            durable.clear(directory.path)
    return built, writing.files(rendered, hint=f"make room, then kit report {directory.path}")


def _require_inside(folder: Path, name: str) -> None:
    """Refuse to write through a link that leads out of the run: whoever made the run may have laid it."""
    for place in (folder, folder / name):
        if place.is_symlink():
            msg = f"{place} is a link to {os.readlink(place)}: the report would be written there"
            raise UsageError(msg, hint="remove the link, or give another directory with --to")


def _require_signed(directory: RunDir, rendered: Sequence[tuple[Path, bytes]]) -> None:
    """Refuse to write into the report of a signed run what was not signed: another zone of time or version writes otherwise."""
    other = [path for path, content in rendered if not _holds(path, content)]
    if other:
        names = ", ".join(path.relative_to(directory.path).as_posix() for path in other)
        msg = f"{directory.name} is signed, and so are the files in its report/: {names} would not be"
        raise UsageError(msg, hint="give another directory with --to")


def _holds(path: Path, content: bytes) -> bool:
    try:
        return bounded.read(path, len(content)) == content
    except OSError:
        return False


def clean(*, everything: bool) -> tuple[str, ...]:
    """Remove what killed kits left: containers, unfinished environments, or with `everything` the whole cache.

    One line for each. Processes were stopped already, as before every command.
    """
    base = cache()
    removable = ([base] if base.is_dir() else []) if everything else environments.unfinished(base)
    told = [line for name in runtimes.present() for line in runtimes.make(name).sweep()]
    for path in removable:
        size = sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file() and not entry.is_symlink())
        shutil.rmtree(path)
        told.append(f"{path} ({size / 1024**2:.0f} MiB)")
    return tuple(told)


def fetch(name: str, out: Path, progress: Progress) -> Path:
    """Fetch the wheels of an environment, such as `evalscope/1.0.1`, into a folder."""
    from kit.runtimes.process import ProcessRuntime

    runtime = runtimes.make("process")
    assert isinstance(runtime, ProcessRuntime)
    image, _, variant = name.partition("/")
    try:
        return runtime.environments.fetch(runtime.pin(image, variant or None), progress, out)
    except OSError as error:
        kind = "no space is left" if error.errno == errno.ENOSPC else error.strerror
        raise HostError(f"{out} cannot be written: {kind}") from error
