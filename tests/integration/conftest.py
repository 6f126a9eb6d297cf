"""Real environments and the made model, built once per machine and shared by all workers."""

from pathlib import Path

import pytest

from kit import packed
from kit import plan as plans
from kit import profile as profiles
from kit.endpoint import HttpEndpoint
from kit.events import Seen
from kit.host import LocalHost
from kit.model import Plan
from kit.ports import Doors
from kit.resources import folder
from kit.running import preparing
from kit.runtimes.process import ProcessRuntime
from tests.integration.driver import Kit, shared_cache


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def smoke() -> Plan:
    """The plan of the smoke profile in the shared cache, with all that it needs made; builders wait for each other."""
    base = shared_cache()
    base.mkdir(parents=True, exist_ok=True)
    loaded = profiles.load("smoke", ())
    runtime = ProcessRuntime(folder("images"), base)
    made = plans.make(
        loaded.profile,
        sha256=loaded.sha256,
        runtime="process",
        pin=runtime.pin,
        models=base / "models",
        version=runtime.version,
    )
    doors = Doors(runtime, LocalHost(), HttpEndpoint())
    seen: list[Seen] = []
    preparing.prepare(made, doors, seen.append, base / "test-model.log")
    return made


@pytest.fixture(scope="session")
def cache(smoke: Plan) -> Path:
    """The shared cache, which holds all that the smoke profile needs."""
    del smoke
    return shared_cache()


@pytest.fixture(scope="session")
def python(cache: Path) -> Path:
    """The interpreter of the load generator's environment."""
    runtime = ProcessRuntime(folder("images"), cache)
    return runtime.environments.path(runtime.pin("evalscope", "1.0.1")) / "bin" / "python"


@pytest.fixture
def instruments(tmp_path: Path) -> Path:
    """The one file that holds kit's own instruments, as it lies beside a load."""
    packed.place(tmp_path / "there", packed.digest())
    return tmp_path / "there" / packed.FILE


@pytest.fixture(scope="session")
def tokenizer(smoke: Plan) -> Path:
    """The toy model's directory, which has a tokenizer with a chat template."""
    return Path(smoke.tokenizer)


@pytest.fixture
def kit(tmp_path: Path, cache: Path) -> Kit:
    """Kit in an empty directory, with the shared cache."""
    return Kit(tmp_path, cache)
