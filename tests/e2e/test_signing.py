"""Signing and verifying as people do: the console script, keys of ssh-keygen, and a machine that has almost nothing."""

import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.driver import KIT, PATIENCE_S, Done, variables
from tests.unit.test_report import Written

# What a machine that only verifies need not have.
BARE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("docker", "evalscope", "pandas", "numpy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from kit.cli.app import main
main()
"""


def call(home: Path, *argv: str, program: tuple[str, ...] = (str(KIT),), **changes: str) -> Done:
    done = subprocess.run(
        [*program, *argv],
        cwd=home,
        env=variables(home / "cache", changes),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    Written(tmp_path / "runs")
    return tmp_path


def test_a_run_is_signed_by_two_and_verified_where_almost_nothing_is(home: Path) -> None:
    made = call(home, "key", "new", "-o", "tester.key", "--passphrase-env", "SECRET", SECRET="correct horse")
    assert made.code == 0
    (home / "trust.yaml").write_text(made.out, "utf-8")
    assert "correct horse" not in made.out + made.err
    asked = call(home, "sign", "latest", "--role", "tester", "--key", "tester.key")
    assert asked.code == 2
    assert "--passphrase-env or --passphrase-file" in asked.err
    (home / "secret").write_text("correct horse\n")
    one = ("sign", "latest", "--role", "tester", "--key", "tester.key", "--name", "张三")
    done = call(home, *one, "--passphrase-file", "secret")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].endswith("attestation.json")
    again = call(home, *one, "--passphrase-file", "secret")
    assert again.code == 2
    assert "signed already" in again.err
    call(home, "key", "new", "-o", "other.key", "--no-passphrase")
    second = call(home, "sign", "latest", "--role", "reviewer", "--key", "other.key")
    assert second.code == 0
    assert "signed before by 张三 as tester" in second.err
    unknown = call(home, "verify", "latest", "--trust", "trust.yaml")
    assert unknown.code == 6
    line = (home / "other.key.pub").read_text().strip()
    with (home / "trust.yaml").open("a", encoding="utf-8") as file:
        file.write(f"  reviewer:\n    keys:\n      - public: {line}\n")
    verified = call(home, "verify", "latest", program=(sys.executable, "-c", BARE), KIT_TRUST="trust.yaml")
    assert verified.code == 0, verified.err
    assert "figures of 6 rounds worked out again" in verified.out
    (run,) = (home / "runs").iterdir()
    path = str(run / "report" / "report.docx")
    single = call(home, "verify", path, "--trust", "trust.yaml", program=(sys.executable, "-c", BARE))
    assert single.code == 0
    assert "report.docx is report/report.docx as it was signed" in single.out
    (run / "inventory.json").unlink()
    (run / "new").touch()
    altered = call(home, "verify", "latest", "--trust", "trust.yaml")
    assert altered.code == 6
    assert "inventory.json: is missing" in altered.err
    assert "new: was added" in altered.err


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_key_of_ssh_keygen_signs_after_its_passphrase_was_typed(home: Path, kind: str) -> None:
    key = home / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "correct horse", "-f", str(key)], check=True)
    shown = subprocess.run(["ssh-keygen", "-l", "-f", f"{key}.pub"], check=True, capture_output=True, text=True)
    leader, follower = pty.openpty()
    argv = [str(KIT), "sign", "latest", "--role", "approver", "--key", "id", "--name", "Wang Wu"]
    with subprocess.Popen(
        argv,
        cwd=home,
        env=variables(home / "cache"),
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # What is typed before the question is thrown away: type again until it is taken.
        deadline = time.monotonic() + PATIENCE_S
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
            os.write(leader, b"correct horse\n")
            time.sleep(0.2)
        out, err = process.stdout.read(), process.stderr.read()
    assert process.returncode == 0, err
    assert "correct horse" not in out + err
    fingerprint = shown.stdout.split()[1]
    assert fingerprint in err
    line = Path(f"{key}.pub").read_text().strip()
    (home / "trust.yaml").write_text(f"schema: 1\nroles:\n  approver:\n    keys:\n      - public: {line}\n")
    verified = call(home, "verify", "latest", "--trust", "trust.yaml")
    assert verified.code == 0, verified.err
    assert "approver: Wang Wu, " in verified.out
