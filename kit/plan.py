"""Making the plan: everything is decided here, from a profile, what the runtime has, and where things lie."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

from kit import __version__, caveats, packed
from kit.accelerators import ACCELERATORS
from kit.engines import ENGINES, flags
from kit.errors import EnvironmentUnavailableError, HostError, KitError, together
from kit.loadgens import GENERATORS
from kit.model import (
    AcceleratorWish,
    Case,
    Container,
    Device,
    Environment,
    Grant,
    Inventory,
    MadeModel,
    Mount,
    Order,
    Pairs,
    Plan,
    Profile,
    Program,
    RoundPlan,
    ServerPlan,
    Target,
    Warmup,
)
from kit.model.evidence import numbers, ranges
from kit.model.search import Search

Pin = Callable[[str, str | None], Environment]
"""Finds an environment by image and version, and says what exactly it is now."""

Present = Callable[[str], bool]
"""Whether this machine has a file of that name."""

LockedVersion = Callable[[Environment, str], str | None]


def make(
    profile: Profile,
    *,
    sha256: str,
    runtime: Literal["process", "docker"],
    pin: Pin,
    models: Path,
    version: LockedVersion,
    platform: str | None = None,
    inventory: Inventory | None = None,
    present: Present = os.path.exists,
    cpus: str = "",
    prompts: Mapping[str, int] | None = None,
    devices: Collection[tuple[int, int]] = (),
) -> Plan:
    """The plan for a profile. `pin` names the environments, `models` is where made models lie, `cpus` are those of this
    machine, such as `0-127`, and `prompts` says how many each file of them holds, by its digest.

    The accelerators are chosen among those of the inventory, `devices` (card and chip) before others; a plan made without
    one uses none.
    """
    load, server = profile.load, profile.server
    engine = ENGINES[server.engine]
    home, sender = environments(profile, pin)
    cards, grant = _granted(profile.machine.accelerator, inventory, present, devices)
    made = _made_model(server.make_model, home, models)
    # In a container loopback is its own: the port is published on this machine's loopback instead.
    host = "127.0.0.1" if runtime == "process" or server.container.network == "host" else "0.0.0.0"
    served = _Words({"model": made.directory if made else "", "port": str(server.port), "host": host})
    # Seen from wherever a program starts, and through a mount of the same path.
    tokenizer = os.path.abspath(os.path.expanduser(served.fill(load.tokenizer)))
    target = Target(
        url=server.url.rstrip("/").removesuffix("/v1") if server.url else f"http://127.0.0.1:{server.port}",
        model=server.model or served.fill(flags.value(server.args, *engine.MODEL_FLAGS) or ""),
        api_key=server.api_key,
    )
    load_cpus = _load_cpus(server.container.cpuset if home is not None else None, load.cpuset, cpus)
    return Plan(
        kit_version=__version__,
        profile=profile.name,
        profile_sha256=sha256,
        runtime=runtime,
        platform=platform,
        machine=profile.machine,
        devices=tuple((device.card, device.chip) for device in cards),
        report=profile.report,
        acceptance=profile.acceptance,
        engine=server.engine,
        engine_version=server.version or (version(home, engine.PACKAGE) if home and engine.PACKAGE else None),
        generator=load.generator,
        generator_version=load.version,
        tokenizer=tokenizer,
        trust_remote_code=load.trust_remote_code,
        environments=tuple(dict.fromkeys(found for found in (home, sender) if found is not None)),
        model=made,
        server=_server(profile, home, served, made, grant, runtime) if home is not None else None,
        target=target.of(load.expanded()[0]),
        stall_limit_s=server.stall_limit,
        rounds=tuple(
            _round(profile, case, number, sender, target, tokenizer, load_cpus)
            for case in load.expanded()
            for number in range(1, load.rounds + 1)
        ),
        rounds_per_case=load.rounds,
        until=load.until,
        searches=tuple(
            Search(
                input=group.input,
                output=group.output,
                concurrencies=group.concurrency,
                limits=group.find.limits,
                shape=group.shape,
            )
            for group in load.cases
            if group.find is not None
        ),
        caveats=tuple(caveats.of(profile, prompts or {})),
        warmups=tuple(
            _warmup(profile, entry, number, sender, target, tokenizer, load_cpus)
            for case in load.expanded()
            for number, entry in enumerate(_warming(case, load.warmup), start=1)
        ),
    )


def _warming(case: Case, wanted: Warmup) -> Iterator[Case]:
    """What warms a case up: requests by themselves, then whole rounds."""
    if wanted.requests:
        yield case.model_copy(update={"requests": wanted.requests})
    for _ in range(wanted.rounds):
        yield case


def _warmup(
    profile: Profile, case: Case, number: int, sender: Environment, target: Target, tokenizer: str, cpus: str | None
) -> RoundPlan:
    # Behind the seeds of all rounds: no round finds its prompts in a prefix cache because of its warm-up.
    made = _round(profile, case, profile.load.rounds + number, sender, target, tokenizer, cpus)
    program = made.program.model_copy(update={"name": "warmup"})
    return made.model_copy(update={"round": number, "warmup": True, "program": program})


def environments(profile: Profile, pin: Pin) -> tuple[Environment | None, Environment]:
    """The environments of the server (`name` or `name/version`), if it has one, and of the load. Raises for all that is
    missing at once."""
    name, _, variant = (profile.server.image or "").partition("/")
    load = GENERATORS[profile.load.generator].IMAGE, profile.load.version
    found: list[Environment] = []
    lacking: list[KitError] = []
    for one, version in ((name, variant or None), load):
        try:
            found += [pin(one, version)] if one else []
        except EnvironmentUnavailableError as error:
            lacking.append(error)
    if lacking:
        hint = "every one of them is needed: what stands behind each makes it, or brings it here"
        raise together("what this profile is run with is not on this machine", lacking, hint)
    *home, sender = found
    return home[0] if home else None, sender


def _granted(
    wish: AcceleratorWish | None, inventory: Inventory | None, present: Present, first: Collection[tuple[int, int]]
) -> tuple[tuple[Device, ...], Grant]:
    """The accelerators to use and what using them takes: those named, free ones, then in the order of their numbers."""
    if wish is None or wish.kind not in ACCELERATORS:
        return (), Grant()
    families = inventory.accelerators if inventory is not None else ()
    there = next((family.devices.value or () for family in families if family.kind == wish.kind), ())
    best = sorted(there, key=lambda one: ((one.card, one.chip) not in first, bool(one.processes.value)))[: wish.count]
    chosen = tuple(device for device in there if device in best)
    grant = ACCELERATORS[wish.kind].grant(chosen, there, present)
    return chosen, grant


def _load_cpus(server: str | None, load: str | None, there: str) -> str | None:
    """The CPUs of the load: those that it is given, else all but those that the server is pinned to."""
    if server is None and load is None:
        return None
    ours = set(numbers(there))
    for field, pinned in (("server.container.cpuset", server), ("load.cpuset", load)):
        if ours and (absent := set(numbers(pinned or "")) - ours):
            msg = f"{field} names CPU {ranges(absent)}, and this machine has {ranges(ours)}"
            raise HostError(msg, hint=f"--set {field}=… with CPUs that lscpu shows")
    if load is not None:
        return load
    if not (others := ours - set(numbers(server or ""))):
        what = "is all CPUs of this machine" if ours else "is known, but not which CPUs this machine has"
        msg = f"server.container.cpuset {server} {what}: none is left for the load generator"
        raise HostError(msg, hint="leave one or more out of server.container.cpuset, or name the load's in load.cpuset")
    return ranges(others)


class _Words:
    """Fills the placeholders that a profile may use."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def fill(self, word: str) -> str:
        for name, value in self._values.items():
            word = word.replace(f"{{{name}}}", value)
        return word


def _made_model(wanted: bool, home: Environment | None, models: Path) -> MadeModel | None:
    if not wanted or home is None:
        return None
    # The environment's digest is in the path: another maker makes another model.
    directory = models / f"{home.name}-{hashlib.sha256(home.digest.encode()).hexdigest()[:12]}"
    program = Program(
        name="make-model",
        environment=home,
        argv=(f"{home.name}-make-model", str(directory)),
        mounts=(Mount(path=str(directory.parent), writable=True),),
    )
    return MadeModel(directory=str(directory), program=program)


def _server(
    profile: Profile, home: Environment, words: _Words, made: MadeModel | None, grant: Grant, runtime: str
) -> ServerPlan:
    server, engine = profile.server, ENGINES[profile.server.engine]
    port = int(server.port or 0)
    arguments = [words.fill(word) for group in server.args for word in group]
    granted = grant if runtime == "docker" else Grant()
    argv = (*engine.COMMAND, *arguments)
    program = Program(
        name="server",
        environment=home,
        argv=argv,
        instrument=packed.wanted(argv),
        env=_with(server.env, granted.inside if runtime == "docker" else grant.outside),
        mounts=tuple(
            dict.fromkeys((*server.mounts, *granted.mounts, *((Mount(path=made.directory),) if made else ())))
        ),
        port=port,
        container=server.container.model_copy(
            update={
                "devices": tuple(dict.fromkeys((*server.container.devices, *granted.nodes))),
                "runtime": server.container.runtime or granted.runtime,
            }
        ),
    )
    return ServerPlan(
        engine=server.engine,
        program=program,
        port=port,
        health_path=engine.HEALTH_PATH,
        flush_path=caveats.flush_path(profile),
        ready_timeout_s=server.ready_timeout,
        restart=server.restart,
    )


def _with(own: Pairs, more: Pairs) -> Pairs:
    """Variables of the profile, and those beside them that it does not set itself."""
    return (*own, *((name, value) for name, value in more if name not in dict(own)))


def _round(
    profile: Profile, case: Case, number: int, sender: Environment, target: Target, tokenizer: str, cpus: str | None
) -> RoundPlan:
    load, generator = profile.load, GENERATORS[profile.load.generator]
    # The first round sends what the original test sends; a later one must not find its prompts in a prefix cache.
    seed = load.seed + number - 1
    if load.seeds == "per-case":
        keys = [other.key for other in load.expanded()]
        seed += keys.index(case.key) * (load.rounds + load.warmup.rounds + 1)
    order = Order(
        version=load.version,
        transport=load.transport,
        case=case,
        seed=seed,
        target=target.of(case),
        tokenizer=tokenizer,
        read_timeout_s=load.read_timeout,
        processes=None if load.processes == "auto" else load.processes,
    )
    argv = generator.argv(order)
    program = Program(
        name="load",
        environment=sender,
        argv=argv,
        instrument=packed.wanted(argv),
        env=generator.env(order),
        secrets=(generator.KEY_VARIABLE,) if target.api_key is not None else (),
        mounts=(Mount(path=tokenizer),),
        beside="server" if profile.server.url is None else None,
        container=Container(network="private" if profile.server.url is None else "host", cpuset=cpus, read_only=True),
    )
    return RoundPlan(round=number, order=order, program=program)
