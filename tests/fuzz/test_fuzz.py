"""Whatever comes in, a parser gives a result or one of kit's own errors: `KIT_FUZZ` inputs for each, 100 unless told.

An input that made one crash is kept in `crashes/`, in a file whose name begins with that of its target, and tried first.
"""

import hashlib
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import Target, targets

INPUTS = int(os.environ.get("KIT_FUZZ", "100"))
FOREVER_S = 60.0
"""Processor time, which does not run while others do: no parser takes this long for inputs this small."""
AT_ONCE = 10_000
"""What draws the inputs remembers all of them, in gigabytes: it starts anew after so many."""
KEPT = Path(__file__).parent / "crashes"
CRASHES = sorted(KEPT.glob("*.bin"))
TARGETS = targets()


class Input(bytes):
    """An input whose name is short: it is found in `crashes/`, not on the terminal."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes: {bytes(self[:60])!r}>"


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_makes_a_parser_crash(name: str) -> None:
    for done in range(0, INPUTS, AT_ONCE):
        _feed(name, min(AT_ONCE, INPUTS - done))


def _feed(name: str, inputs: int) -> None:
    target, last = TARGETS[name], b""

    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs.map(Input))
    def fed(content: bytes) -> None:
        nonlocal last
        begin, last = time.process_time(), content
        target.feed(content)
        assert time.process_time() - begin < FOREVER_S

    try:
        fed()
    except BaseException:
        # The last one is the smallest that was found.
        (KEPT / f"{name.replace(' ', '-')}-{hashlib.sha256(last).hexdigest()[:8]}.bin").write_bytes(last)
        raise


def test_what_made_a_parser_crash_does_so_no_more() -> None:
    for crash in CRASHES:
        name = max((name for name in TARGETS if crash.stem.startswith(name.replace(" ", "-"))), key=len)
        TARGETS[name].feed(crash.read_bytes())


def test_a_crash_is_noticed() -> None:
    with pytest.raises(ZeroDivisionError):
        Target(st.just(b""), lambda content: 1 / len(content)).feed(b"")
