"""Plans of the profile that the tests of reports use, with other settings."""

from pathlib import Path

from kit import plan as plans
from kit import profile
from kit.model import Plan
from tests.fakes import FakeRuntime
from tests.unit.written import PROFILE


def planned(*settings: str) -> Plan:
    """The plan of it, which its stored form would give too."""
    runtime = FakeRuntime()
    loaded = profile.parse(PROFILE, "p.yaml", settings)
    again = profile.alone(profile.resolved(loaded.profile).decode(), "again")
    assert again.profile == loaded.profile, "as it is stored, it is the same profile"
    return plans.make(
        loaded.profile,
        sha256=loaded.sha256,
        runtime="process",
        pin=runtime.pin,
        models=Path("/models"),
        version=runtime.version,
    )
