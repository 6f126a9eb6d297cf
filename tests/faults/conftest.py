"""A bench per test, and the marks of these tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import inventory
from kit.host import LocalHost
from kit.inventory import Collected
from tests.faults.bench import Bench, nothing_left


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
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "cache"))
    made = Bench(tmp_path, collected=machine)
    for name, value in made.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    # Asked again at every start, which takes a second and finds the same.
    monkeypatch.setattr(inventory, "collect", lambda _: machine)
    yield made
    assert nothing_left(made) == []
