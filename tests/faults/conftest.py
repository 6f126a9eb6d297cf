"""A bench per test, and the marks of these tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from kit import inventory
from kit.host import LocalHost
from kit.inventory import Collected
from kit.runtimes import docker as docker_runtime
from tests.faults.bench import Bench, nothing_left
from tests.faults.contained import Contained, left_in_engine, reference

B = TypeVar("B", bound=Bench)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def machine() -> Collected:
    """This machine, looked at once."""
    return inventory.collect(LocalHost())


@pytest.fixture
def bench(tmp_path: Path, machine: Collected, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench; when its test is over, nothing of what it started may be left."""
    yield from made_of(Bench, tmp_path, machine, monkeypatch)


@pytest.fixture
def contained(tmp_path: Path, machine: Collected, monkeypatch: pytest.MonkeyPatch) -> Iterator[Contained]:
    """A bench with containers; nothing may be left in the engine either."""
    monkeypatch.setattr(docker_runtime, "reference", reference)
    yield from made_of(Contained, tmp_path, machine, monkeypatch)
    assert left_in_engine() == []


def made_of(kind: type[B], home: Path, machine: Collected, monkeypatch: pytest.MonkeyPatch) -> Iterator[B]:
    monkeypatch.setenv("KIT_CACHE", str(home / "cache"))
    made = kind(home, collected=machine)
    for name, value in made.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(home / "tmp"))
    # Asked again at every start, which takes a second and finds the same.
    monkeypatch.setattr(inventory, "collect", lambda _: machine)
    yield made
    assert nothing_left(made) == []
