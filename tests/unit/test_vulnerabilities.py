"""`make vulnerabilities`: no answer of the database is never taken as a good one."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tools import vulnerabilities

LOCK = "one==1.0 \\\n    --hash=sha256:00\nOther_two==2.0 \\\n    --hash=sha256:11\n"
GOOD = {"name": "one", "version": "1.0", "vulns": []}
OTHER = {"name": "other-two", "version": "2.0", "vulns": []}
BAD = {**OTHER, "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": [], "description": ""}]}
SKIPPED = {"name": "other-two", "skip_reason": "not found on PyPI"}


def answer(*packages: Mapping[str, object]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("said", "errors", "code", "telling"),
    [
        (answer(GOOD, OTHER), "", 0, "2 of 2 packages asked about, 0 known"),
        (answer(GOOD, BAD), "", 1, "VULNERABLE other-two 2.0: PYSEC-1, fixed in 2.1"),
        (answer(GOOD, SKIPPED), "", 1, "NOT ASKED other-two: not found on PyPI"),
        (answer(GOOD), "", 1, "NOT ASKED other-two: no answer holds them"),
        ("", "Traceback\nConnectionError: refused\n", 1, "NOT ASKED one, other-two: ConnectionError: refused"),
        ("", "", 1, "NOT ASKED one, other-two: pip-audit said nothing"),
    ],
    ids=["nothing-known", "vulnerable", "skipped", "left-out", "not-reached", "silent"],
)
def test_what_is_known_and_what_could_not_be_asked_is_told(
    said: str, errors: str, code: int, telling: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text(LOCK)
    assert vulnerabilities.main([str(lock)], lambda _: (said, errors)) == code
    assert telling in capsys.readouterr().out


def test_every_lock_is_asked_about_whatever_came_of_the_one_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    locks = [tmp_path / "a.lock", tmp_path / "b.lock"]
    for lock in locks:
        lock.write_text(LOCK)
    code = vulnerabilities.main(
        [str(lock) for lock in locks], lambda lock: ("", "") if lock == locks[0] else (answer(GOOD, OTHER), "")
    )
    told = capsys.readouterr().out
    assert code == 1
    assert f"{locks[0]}: 0 of 2 packages asked about" in told
    assert f"{locks[1]}: 2 of 2 packages asked about" in told
    assert "2 packages could not be asked about" in told
