"""People with a key each, and runs that they have signed: what most tests of signatures begin with."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kit.errors import VerificationError
from kit.model import RoundResult
from kit.model.attestation import ROLES, Role
from kit.signing import keys
from kit.store import RunDir
from kit.workflows import sealing
from tests.unit.written import Written

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
NAMES: dict[Role, str] = {"tester": "张三", "reviewer": "Li Si", "approver": "王五"}
CRITERIA = ("acceptance.success_rate=100%",)


@dataclass(frozen=True)
class People:
    """Three people with a key each, and the trust file that names them."""

    folder: Path
    public: dict[Role, keys.Public]

    @property
    def trust(self) -> Path:
        return self.folder / "trust.yaml"

    def private(self, role: Role) -> keys.Private:
        return keys.load(str(self.folder / f"{role}.key"), never)

    def sign(self, run: RunDir, role: Role, **changed: object) -> None:
        name = str(changed.get("name", NAMES[role]))
        key: object = changed.get("key", role)
        at = changed.get("at", NOW)
        assert isinstance(at, datetime)
        sealing.sign(run, keys.load(str(self.folder / f"{key}.key"), never), role, name, at)

    def verify(self, path: Path | RunDir, trust_text: str | None = None, now: datetime = NOW) -> sealing.Verified:
        file = self.trust
        if trust_text is not None:
            file = self.folder / "other.yaml"
            file.write_text(trust_text, "utf-8")
        where = path.path if isinstance(path, RunDir) else path
        return sealing.verify(str(where), Path("runs"), file, now)

    def text(self, *roles: Role, threshold: int = 1, more: str = "", top: str = "") -> str:
        lines = [f"schema: 1\n{top}roles:"]
        for role in roles:
            lines.append(f"  {role}:\n    threshold: {threshold}\n    keys:")
            lines.append(f"      - {{name: {NAMES[role]}, public: {self.public[role].line}{more}}}")
        return "\n".join(lines) + "\n"


def never(what: str) -> str:
    raise AssertionError(f"asked for the {what}")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    folder = tmp_path_factory.mktemp("people")
    made = {
        role: keys.make(folder / f"{role}.key", "ecdsa" if role == "reviewer" else "ed25519", None) for role in ROLES
    }
    found = People(folder, made)
    found.trust.write_text(found.text("tester", "reviewer"), "utf-8")
    return found


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return Written(tmp_path, *CRITERIA).run


@pytest.fixture(scope="module")
def signed_once(people: People, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run that two have signed; tests that alter it take a copy."""
    made = Written(tmp_path_factory.mktemp("signed"), *CRITERIA).run
    people.sign(made, "tester")
    people.sign(made, "reviewer", at=NOW + timedelta(hours=1))
    return made


@pytest.fixture
def signed(signed_once: RunDir, tmp_path: Path) -> RunDir:
    return RunDir(shutil.copytree(signed_once.path, tmp_path / signed_once.name))


def fails(act: Callable[[], object]) -> str:
    with pytest.raises(VerificationError) as caught:
        act()
    assert caught.value.exit_code == 6
    return str(caught.value)


def falsify(run: RunDir, factor: float = 1.1) -> None:
    """A better throughput in the first round than its requests have."""
    path = run.round_directory(run.plan().rounds[0]) / "result.json"
    result = RoundResult.model_validate_json(path.read_bytes())
    assert result.figures.output_throughput is not None
    better = result.figures.model_copy(update={"output_throughput": result.figures.output_throughput * factor})
    path.write_bytes(result.model_copy(update={"figures": better}).to_json())
