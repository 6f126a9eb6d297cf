"""The checks of `kit doctor`, and the same before every run: here the machine is looked at, and the doors handed to them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from kit import beside, doctor, runtimes
from kit import inventory as inventories
from kit import plan as plans
from kit import profile as profiles
from kit.doctor import Asked
from kit.errors import KitError
from kit.events import Event, Seen
from kit.host import LocalHost
from kit.inventory import Collected
from kit.inventory.cpu import online
from kit.model import Check, Environment, Plan, Preflight
from kit.ports import Doors, Host, Runtime
from kit.resources import cache

WAIT_S = 5.0


@contextmanager
def alone(host: Host, tell: Callable[[str], None], *, wait: bool) -> Iterator[str | None]:
    """Be the one run of this machine. Gives who already is, where nobody wants to wait for its end."""
    told = False
    while True:
        with host.hold() as busy:
            if busy is None or not wait:
                yield busy
                return
        if not told:
            tell(f"waiting: {busy}")
            told = True
        host.sleep(WAIT_S)


def before(
    plan: Plan,
    doors: Doors,
    collected: Collected,
    out: Path,
    *,
    busy: str | None,
    force: bool,
    observe: Callable[[Seen], None],
) -> Preflight:
    """All checks of a plan. Raises `HostError` where one fails, unless `force` says to go on."""
    if swept := doors.runtime.sweep():
        # A server that an earlier kit left behind is in the way: of its port, and of the cards that it was seen to hold.
        for told in swept:
            observe(Seen(Event(at=doors.host.now(), kind="environment", text=f"stopped {told}")))
        collected = inventories.collect(doors.host)
    checks = _examine(plan, collected, doors.host, out, doors.runtime, busy=busy)
    doctor.require(checks, plan.profile, force=force)
    for check in checks:
        if check.level != "ok":
            text = f"{check.name}: {check.found}" + (f" ({check.remedy})" if check.remedy else "")
            observe(Seen(Event(at=doors.host.now(), kind="warning", text=text)))
    return Preflight(at=doors.host.now(), forced=force, checks=checks)


def look(
    reference: str | None,
    settings: Sequence[str],
    runtime: Literal["process", "docker"],
    out: Path,
    *,
    platform: str | None = None,
    digests: bool = False,
) -> tuple[Check, ...]:
    """The checks of a profile, or of the machine for itself. What keeps a plan from being made is one of them."""
    host = LocalHost()
    with host.hold() as busy:
        collected = inventories.collect(host)
        if reference is None:
            return _examine(None, collected, host, out, None, busy=busy, digests=digests)
        loaded = profiles.load(reference, settings)
        problems: list[Check] = []
        door = _door(runtime, platform, problems)
        plan = plans.make(
            loaded.profile,
            sha256=loaded.sha256,
            runtime=runtime,
            pin=_lenient(door, problems),
            models=cache() / "models",
            version=lambda _, __: None,
            platform=platform,
            inventory=collected.inventory,
            cpus=online(host),
            prompts={sha256: beside.number(content) for sha256, content in loaded.prompts.items()},
        )
        usable = door if not problems else None
        return _examine(plan, collected, host, out, usable, busy=busy, problems=tuple(problems), digests=digests)


def _examine(
    plan: Plan | None,
    collected: Collected,
    host: Host,
    out: Path,
    runtime: Runtime | None,
    *,
    busy: str | None,
    problems: tuple[Check, ...] = (),
    digests: bool = False,
) -> tuple[Check, ...]:
    wants_probe = plan is not None and plan.server is not None and plan.runtime == "docker"
    if runtime is None or not wants_probe or busy is not None:
        probe = doctor.Probe(reason="no container could be started") if wants_probe and busy is None else None
    else:
        assert plan is not None
        assert plan.server is not None
        probe = doctor.probe(plan, plan.server, runtime)
    return doctor.examine(
        Asked(
            plan=plan,
            inventory=collected.inventory,
            host=host,
            output=out,
            busy=busy,
            probe=probe,
            problems=problems,
            digests=digests,
        )
    )


def _door(name: str, platform: str | None, problems: list[Check]) -> Runtime | None:
    try:
        return runtimes.make(name, platform)
    except KitError as error:
        problems.append(Check(name=f"runtime {name}", level="fail", found=error.message, remedy=error.hint))
        return None


def _lenient(runtime: Runtime | None, problems: list[Check]) -> plans.Pin:
    """Pins environments; one that is not there becomes a check that fails, so that all other checks are made as well."""

    def pin(image: str, variant: str | None) -> Environment:
        if runtime is not None:
            try:
                return runtime.pin(image, variant)
            except KitError as error:
                title = f"{image} {variant}" if variant else image
                problems.append(
                    Check(name=f"environment {title}", level="fail", found=error.message, remedy=error.hint)
                )
        return Environment(name=image, variant=variant, kind="image", digest="none")

    return pin
