"""The plan of a run made again: the same for every kind of run, and whatever was changed in the stored one is named."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from kit import library, profile
from kit import plan as plans
from kit.behaviour import Behaviour
from kit.model import Doubt, Environment, Inventory, Plan, Profile
from kit.running import remaking
from kit.workflows import perf, rehearsing, running
from tests import ascend_host
from tests.fakes import FakeRuntime
from tests.unit import test_perf, test_rehearsing

MODELS = Path("/cache/models")
SMALL = """\
schema: 1
name: small
server:
  engine: sglang
  image: sglang
  make_model: true
  port: 18017
  env: {A: "1"}
  mounts: [/home/model]
  container: {shm_size: 1g, cap_add: [SYS_NICE]}
  args: [[--model-path, "{model}"], [--host, "{host}"], [--port, "{port}"]]
load:
  rounds: 2
  warmup: {requests: 1}
  tokenizer: "{model}"
  cases: [{input: 64, output: 32, concurrency: [1, 2]}]
"""


CASE = "{input: 64, output: 32, concurrency: [1]}"


def made(
    of: Profile, runtime: Literal["process", "docker"] = "process", inventory: Inventory | None = None
) -> tuple[Profile, Plan]:
    """The profile and the plan of a run as they lie in its directory."""
    loaded = profile.alone(profile.resolved(of).decode(), "stored")
    fake = FakeRuntime()
    plan = plans.make(
        loaded.profile,
        sha256=loaded.sha256,
        runtime=runtime,
        pin=fake.pin,
        models=MODELS,
        version=fake.version,
        inventory=inventory,
    )
    return loaded.profile, Plan.model_validate_json(plan.to_json())


def again(of: Profile, plan: Plan, inventory: Inventory | None = None) -> Plan:
    machine = inventory or ascend_host.inventory()
    return remaking.again(of, plan, FakeRuntime(), machine, models=MODELS, cpus="")


def differing(of: Profile, plan: Plan, inventory: Inventory | None = None) -> list[str]:
    return [str(problem) for problem in remaking.differences(plan, again(of, plan, inventory))]


@pytest.mark.parametrize("runtime", ["process", "docker"])
@pytest.mark.parametrize("name", library.names())
def test_the_plan_of_a_run_is_made_again_as_it_was(name: str, runtime: Literal["process", "docker"]) -> None:
    machine = ascend_host.inventory()
    stored, plan = made(profile.load(name).profile, runtime, machine)
    assert differing(stored, plan, machine) == []


def test_a_plan_with_warmups_rounds_until_and_searches_is_made_again_as_it_was() -> None:
    text = SMALL.replace("rounds: 2", "rounds: auto(2%, max=10)")
    find = "{input: 64, output: 32, find: {concurrency: 16, limits: [ttft <= 2 s]}}"
    for cases in ("{input: 64, output: 32, concurrency: [1, 2]}", find):
        given = text if cases != find else SMALL
        stored, plan = made(profile.parse(given, "p.yaml", [f"load.cases=[{cases}]"]).profile)
        assert differing(stored, plan) == []
        assert plan.warmups
        assert plan.until or plan.searches


def test_the_plan_of_kit_perf_is_made_again_as_it_was() -> None:
    stored, plan = made(perf.profile(test_perf.WANTED).profile)
    assert differing(stored, plan) == []


def test_the_plan_of_a_rehearsal_is_made_again_as_it_was(tmp_path: Path) -> None:
    site = profile.parse(test_rehearsing.PROFILE, "site.yaml", ["load.transport=precise"]).profile
    known = Behaviour(test_rehearsing.ROWS)
    stored, plan = made(rehearsing.rehearsal(site, known, 50, "/toy", "b.csv"))
    foretold = Doubt(kind="caveat-missed-ttft", values=(("cases", "128-512-c1 (+9 %)"),))
    with_toy = running.with_model(plan.model_copy(update={"caveats": (foretold,)}), running.toy(tmp_path))
    assert differing(stored, with_toy) != []
    remade = running.with_model(again(stored, with_toy), running.toy(tmp_path))
    assert list(remaking.differences(with_toy, remade)) == []


@pytest.mark.parametrize("held", [False, True], ids=["first-free", "first-held"])
def test_the_same_accelerators_are_taken_again_whatever_is_free_now(held: bool) -> None:
    wish = {"machine.accelerator.kind": "ascend", "machine.accelerator.count": "1"}
    given = profile.parse(SMALL, "p.yaml", [f"{name}={value}" for name, value in wish.items()]).profile
    said = [ascend_host.npu_info(held=one or None) for one in (held, not held)]
    then, now = (ascend_host.inventory({"npu-smi info": text}) for text in said)
    stored, plan = made(given, "docker", then)
    assert plan.devices == (((5, 0),) if held else ((1, 0),))
    assert differing(stored, plan, now) == []


def test_no_more_accelerators_are_taken_than_the_profile_asks_for() -> None:
    wish = ("machine.accelerator.kind=ascend", "machine.accelerator.count=1")
    stored, plan = made(profile.parse(SMALL, "p.yaml", wish).profile, "docker", ascend_host.inventory())
    greedy = plan.model_copy(update={"devices": ((1, 0), (5, 0))})
    assert any(said.startswith("plan: devices") for said in differing(stored, greedy))


# --- what was changed --------------------------------------------------------------------------------------------


def leaves(value: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of every value of a document."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*place, name))
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from leaves(inner, (*place, number))
    else:
        yield place


def changed(plan: Plan, place: tuple[str | int, ...]) -> Plan | None:
    """The plan with another value there; None where no other is valid."""
    for other in (
        "/etc",
        7,
        0.5,
        True,
        False,
        ["/etc"],
        [["A", "b"]],
        None,
        {"env": "HOME"},
        "evalscope",
        "host",
        "once",
    ):
        document: Any = json.loads(plan.to_json())
        inner = document
        for step in place[:-1]:
            inner = inner[step]
        if inner[place[-1]] == other:
            continue
        inner[place[-1]] = other
        try:
            found = Plan.model_validate_json(json.dumps(document))
        except ValidationError:
            continue
        if found != plan:
            return found
    return None


def test_no_value_of_a_plan_can_be_changed_unseen() -> None:
    stored, plan = made(profile.parse(SMALL, "p.yaml", ["load.rounds=1", f"load.cases=[{CASE}]"]).profile, "docker")
    as_it_was = again(stored, plan)
    assert list(remaking.differences(plan, as_it_was)) == []
    tried, unseen = 0, set()
    for place in leaves(json.loads(plan.to_json())):
        if (other := changed(plan, place)) is None:
            continue
        tried += 1
        taken_over = place[0] in ("environments", "devices", "platform", "runtime", "profile_sha256")
        remade = again(stored, other) if taken_over else as_it_was
        if not list(remaking.differences(other, remade)):
            unseen.add(place[0])
    assert tried > 150
    assert unseen == {"kit_version", "profile_sha256", "platform"}


def test_where_there_are_no_containers_the_loads_files_may_be_said_otherwise() -> None:
    for runtime, told in (("process", 0), ("docker", 1)):
        stored, plan = made(profile.parse(SMALL, "p.yaml").profile, "docker" if runtime == "docker" else "process")
        entry = plan.rounds[0]
        container = entry.program.container.model_copy(update={"read_only": False})
        program = entry.program.model_copy(update={"container": container})
        rounds = (entry.model_copy(update={"program": program}), *plan.rounds[1:])
        assert len(differing(stored, plan.model_copy(update={"rounds": rounds}))) == told


def test_a_round_that_is_missing_added_doubled_or_moved_is_named() -> None:
    stored, plan = made(profile.parse(SMALL, "p.yaml").profile)
    first, second, *rest = plan.rounds
    for rounds in ((first, *rest), (*plan.rounds, first), (second, first, *rest)):
        [said] = differing(stored, plan.model_copy(update={"rounds": rounds}))
        assert said.startswith("plan: rounds")
    [said] = differing(stored, plan.model_copy(update={"warmups": ()}))
    assert "plan: warmups: is [] in plan.json, and ['64-32-c1/warmup-1', '64-32-c2/warmup-1'] as made again" in said


def test_what_differs_in_every_round_is_told_once_with_what_it_is_and_was() -> None:
    stored, plan = made(profile.parse(SMALL, "p.yaml").profile)
    programs = [entry.program.model_copy(update={"instrument": None}) for entry in plan.rounds]
    tampered = tuple(
        entry.model_copy(update={"program": program}) for entry, program in zip(plan.rounds, programs, strict=True)
    )
    [said] = differing(stored, plan.model_copy(update={"rounds": tampered}))
    assert said.startswith("plan: 64-32-c1/round-1.program.instrument: is not set in plan.json, and 'sha256:")
    assert said.endswith("as made again from the profile (in 3 more rounds too)")


def test_of_a_long_command_what_follows_the_common_beginning_is_told() -> None:
    stored, plan = made(profile.parse(SMALL, "p.yaml").profile)
    assert plan.server is not None
    program = plan.server.program
    argv = (*program.argv, "--ssl-keyfile", "/home/x/id_rsa", "x" * 1000)
    server = plan.server.model_copy(update={"program": program.model_copy(update={"argv": argv})})
    [said] = differing(stored, plan.model_copy(update={"server": server}))
    assert f"plan: server.program.argv[{len(program.argv)}:]: is ['--ssl-keyfile', '/home/x/id_rsa', 'xxx" in said
    assert "…" in said
    assert len(said) < 500


def test_an_environment_beside_those_of_the_profile_is_named() -> None:
    stored, plan = made(profile.parse(SMALL, "p.yaml").profile)
    other = plan.environments[0].model_copy(update={"name": "vllm"})
    [said] = differing(stored, plan.model_copy(update={"environments": (*plan.environments, other)}))
    assert said.startswith("plan: environments[2:]: is [{'name': 'vllm'")


def test_an_environment_of_a_program_is_the_one_that_was_pinned() -> None:
    stored, plan = made(profile.parse(SMALL, "p.yaml").profile)
    assert plan.server is not None
    other = Environment(name="sglang", kind="lock", digest="sha256:of-nobody-knows-what")
    program = plan.server.program.model_copy(update={"environment": other})
    server = plan.server.model_copy(update={"program": program})
    [said] = differing(stored, plan.model_copy(update={"server": server}))
    assert said.startswith("plan: server.program.environment.digest: is 'sha256:of-nobody-knows-what'")
