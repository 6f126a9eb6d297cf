"""`front.sh`, which starts kit's own image: what it hands over of the environment, and that nothing of it stays."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.resources import folder
from kit.runtimes import notes
from tests.integration.driver import await_true

SHELLS = [name for name in ("dash", "bash") if shutil.which(name)]
DOCKER = """\
#!/bin/sh
# In the place of docker: what it was told, and what lies in the folder that it would mount.
printf '%s\\n' "$@" >"$OUT/words"
for word in "$@"; do
    case $word in *:/run/kit-environment:ro) given=${word%%:*}; echo "$given" >"$OUT/given"; cp -a "$given" "$OUT/mounted" ;; esac
done
touch "$OUT/there"
if [ -n "${LONG-}" ]; then exec sleep 600; fi
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder with a docker that starts nothing, and the socket of an engine."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "bin" / "docker").write_text(DOCKER)
    (tmp_path / "bin" / "docker").chmod(0o755)
    with socket.socket(socket.AF_UNIX) as engine:
        # By a short name: that of a socket has a limit.
        here = os.getcwd()
        os.chdir(tmp_path)
        engine.bind("engine.sock")
        os.chdir(here)
        yield tmp_path


def started(home: Path, shell: str, **variables: str) -> "subprocess.Popen[str]":
    environment = {
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "OUT": str(home),
        "KIT_CACHE": str(home / "cache"),
        "DOCKER_HOST": f"unix://{home / 'engine.sock'}",
        **variables,
    }
    words = [shell, str(folder("images") / "kit" / "front.sh"), "doctor", "smoke"]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=environment, cwd=home / "work", stdout=pipe, stderr=pipe, text=True)


KEYS = {"MY_API_KEY": "Canary-mine\nwith 'two' lines\n", "OPENAI_API_KEY": "Canary-other"}


@pytest.mark.parametrize("shell", SHELLS)
def test_only_what_is_named_is_handed_over_as_a_file_that_goes_when_docker_ends(home: Path, shell: str) -> None:
    with started(home, shell, KIT_ENV="MY_API_KEY NOT_SET", **KEYS) as front:
        _, said = front.communicate(timeout=60)
    assert (front.returncode, said) == (0, "")
    words = (home / "words").read_text()
    assert "Canary" not in words
    assert [word for word in words.splitlines() if "API_KEY" in word] == ["KIT_ENV=MY_API_KEY NOT_SET"]
    given = Path((home / "given").read_text().strip())
    assert f"--volume\n{given}:/run/kit-environment:ro\n" in words
    assert [path.name for path in (home / "mounted").iterdir()] == ["MY_API_KEY"]
    assert oct((home / "mounted").stat().st_mode)[-3:] == "700"
    assert oct((home / "mounted" / "MY_API_KEY").stat().st_mode)[-3:] == "600"
    await_true(lambda: not given.exists(), "the files are gone", 30)
    # What lies in the image reads them as they were.
    program = (folder("images") / "kit" / "command").read_text()
    program = program.replace("/run/kit-environment", str(home / "mounted"))
    program = program.replace("from kit.cli import main\n\nmain()", "print(os.environ['MY_API_KEY'], end='')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == KEYS["MY_API_KEY"]


def test_without_a_name_nothing_is_handed_over(home: Path) -> None:
    with started(home, "sh", **KEYS) as front:
        front.communicate(timeout=60)
    words = (home / "words").read_text()
    assert ("Canary" in words, "API_KEY" in words, "kit-environment" in words) == (False, False, False)
    assert list((home / "cache" / "tmp").iterdir()) == []


def test_the_files_go_when_docker_is_killed_and_are_the_next_kits_where_nobody_removed_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(home / "cache" / "tmp"))
    with started(home, "sh", KIT_ENV="MY_API_KEY", LONG="1", **KEYS) as front:
        await_true((home / "there").exists, "docker runs", 30)
        given = Path((home / "given").read_text().strip())
        os.kill(front.pid, 0)
        notes.sweep_scratch()
        assert (given / "MY_API_KEY").is_file()
        front.send_signal(signal.SIGKILL)
        front.communicate(timeout=60)
    await_true(lambda: not given.exists(), "the files are gone", 30)
    shutil.copytree(home / "mounted", given)
    notes.sweep_scratch()
    assert not given.exists()


def test_what_is_no_name_of_a_variable_is_refused(home: Path) -> None:
    with started(home, "sh", KIT_ENV="../x", **KEYS) as front:
        _, said = front.communicate(timeout=60)
    assert (front.returncode, "../x is none" in said) == (2, True)
    await_true(lambda: not list((home / "cache" / "tmp").iterdir()), "nothing stays", 30)
