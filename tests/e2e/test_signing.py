"""Signing and verifying as people do: the console script, keys of ssh-keygen, and a machine that has almost nothing."""

import os
import pty
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.driver import KIT, PATIENCE_S, Done, variables
from tests.unit.written import Written

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


@contextmanager
def authority(home: Path) -> Iterator[str]:
    """A server of time stamps as sites have them: `openssl ts` behind HTTP on loopback. Gives its URL."""
    home.mkdir()

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=home, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=Site CA")
    openssl("req", "-new", *key, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Site TSA")
    (home / "ext").write_text("extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n")
    signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "ext")
    openssl("x509", "-req", "-in", "tsa.csr", *signed_by, "-out", "tsa.pem")
    (home / "serial").write_text("01\n")
    (home / "tsa.cnf").write_text(
        "[tsa]\ndefault_tsa=t\n[t]\nserial=serial\nsigner_cert=tsa.pem\nsigner_key=tsa.key\nsigner_digest=sha256\n"
        "default_policy=1.2.3.4.1\ndigests=sha256\ness_cert_id_chain=no\ness_cert_id_alg=sha256\n"
    )

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (home / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "answer")
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write((home / "answer").read_bytes())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_server_of_time_stamps_says_when_somebody_signed(home: Path) -> None:
    made = call(home, "key", "new", "-o", "tester.key", "--no-passphrase")
    (home / "trust.yaml").write_text(made.out, "utf-8")
    words = ("sign", "latest", "--role", "tester", "--key", "tester.key", "--name", "张三")
    with authority(home / "tsa") as url:
        done = call(home, *words, "--timestamp", url)
    assert done.code == 0, done.err
    # Nobody is asked any more: the server is gone.
    (again,) = (home / "runs").iterdir()
    unchecked = call(home, "verify", again.name, "--trust", "trust.yaml")
    assert unchecked.code == 0, unchecked.err
    assert "(own clock; its time stamp was not checked" in unchecked.out
    root = (home / "tsa" / "ca.pem").read_text("ascii")
    with (home / "trust.yaml").open("a", encoding="utf-8") as file:
        file.write("timestamp_roots:\n  - |\n" + "".join(f"    {line}\n" for line in root.splitlines()))
    verified = call(home, "verify", "latest", "--trust", "trust.yaml")
    assert verified.code == 0, verified.err
    assert "(proven by a time stamp of CN=Site TSA)" in verified.out
    call(home, "key", "new", "-o", "other.key", "--no-passphrase")
    silent = call(home, "sign", "latest", "--role", "reviewer", "--key", "other.key", "--timestamp", url)
    assert silent.code == 3
    assert "no time stamp: " in silent.err
    assert "sign without --timestamp" in silent.err
    assert call(home, "verify", "latest", "--trust", "trust.yaml").code == 0
