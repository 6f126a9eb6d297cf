"""Real environments and the made model, built once per machine and shared by all workers."""

from pathlib import Path

import pytest

from kit import plan as plans
from kit import profile as profiles
from kit import runner
from kit.endpoint import HttpEndpoint
from kit.host import LocalHost
from kit.resources import folder
from kit.runtimes.process import ProcessRuntime
from tests.integration.driver import Kit, shared_cache


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def cache() -> Path:
    """The shared cache, with all that the smoke profile needs; builders wait for each other."""
    base = shared_cache()
    smoke = profiles.load("smoke", ())
    runtime = ProcessRuntime(folder("images"), base)
    made = plans.make(
        smoke.profile,
        sha256=smoke.sha256,
        runtime="process",
        pin=runtime.pin,
        models=base / "models",
        version=runtime.version,
    )
    log = base / "test-model.log"
    base.mkdir(parents=True, exist_ok=True)
    runner.prepare(made, runner.Doors(runtime, LocalHost(), HttpEndpoint()), lambda seen: None, log)
    return base


@pytest.fixture(scope="session")
def tokenizer(cache: Path) -> Path:
    """The toy model's directory, which has a tokenizer with a chat template."""
    runtime = ProcessRuntime(folder("images"), cache)
    smoke = profiles.load("smoke", ())
    made = plans.make(
        smoke.profile,
        sha256=smoke.sha256,
        runtime="process",
        pin=runtime.pin,
        models=cache / "models",
        version=runtime.version,
    )
    assert made.model is not None
    return Path(made.model.directory)


@pytest.fixture
def kit(tmp_path: Path, cache: Path) -> Kit:
    """Kit in an empty directory, with the shared cache."""
    return Kit(tmp_path, cache)
