"""Debian packages as they are fetched: where they lie meanwhile, and what of it is taken."""

import hashlib
import os
from pathlib import Path

import pytest

from kit.errors import EnvironmentUnavailableError
from kit.runtimes import debian
from kit.runtimes.debian import Package

MMDEBSTRAP = """\
#!/bin/sh
# In the place of mmdebstrap: copies what was prepared to where its hook would, and notes whose that place is.
for word in "$@"; do
    case $word in --extract-hook=copy-out\\ /var/cache/apt/archives\\ *) into=${word##* } ;; esac
done
stat -c '%a %u' "$into" >"$OUT/place"
echo "$into" >>"$OUT/place"
cp -a "$OUT/archives" "$into"
"""
GOOD = b"the package"


def package(name: str, content: bytes = GOOD) -> Package:
    return Package(hashlib.sha256(content).hexdigest(), len(content), f"{name}_1.0_all.deb")


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What apt would have fetched."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mmdebstrap").write_text(MMDEBSTRAP)
    (tmp_path / "bin" / "mmdebstrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("OUT", str(tmp_path))
    (tmp_path / "archives").mkdir()
    return tmp_path / "archives"


def fetch(archives: Path, *packages: Package) -> Path:
    folder = archives.parent / "fetched"
    debian.fetch(packages, "amd64", "bookworm", folder, None, lambda _: None)
    return folder


def test_packages_lie_where_nobody_else_may_write_and_only_those_that_are_locked_are_taken(archives: Path) -> None:
    (archives / "a_1.0_all.deb").write_bytes(GOOD)
    (archives / "evil_1.0_all.deb").symlink_to("/etc/hostname")
    (archives / "lock").write_bytes(b"")
    folder = fetch(archives, package("a"))
    assert [path.name for path in folder.iterdir()] == ["a_1.0_all.deb"]
    assert (folder / "a_1.0_all.deb").read_bytes() == GOOD
    place, name = (archives.parent / "place").read_text().splitlines()
    assert place == f"700 {os.getuid()}"
    assert not Path(name).exists()


def test_what_is_no_plain_file_or_another_is_told_and_never_put_there(archives: Path) -> None:
    os.mkfifo(archives / "pipe_1.0_all.deb")
    (archives / "endless_1.0_all.deb").symlink_to("/dev/zero")
    (archives / "other_1.0_all.deb").write_bytes(b"another one")
    (archives / "large_1.0_all.deb").write_bytes(GOOD * 2)
    (archives / "good_1.0_all.deb").write_bytes(GOOD)
    with pytest.raises(EnvironmentUnavailableError) as told:
        fetch(archives, *map(package, ("pipe", "endless", "other", "large", "good", "lost")))
    found = {Path(one.where).name.partition("_")[0]: one.what for one in told.value.problems}
    assert found == {
        "pipe": "cannot be read: it is no plain file",
        "endless": "cannot be read: it is no plain file",
        "other": f"has SHA-256 {hashlib.sha256(b'another one').hexdigest()}, and {package('x').sha256} is locked",
        "large": f"cannot be read: it is larger than {len(GOOD)} bytes",
        "lost": "is missing",
    }
    assert {Path(one.where).parent for one in told.value.problems} == {archives.parent / "fetched"}
    assert [path.name for path in (archives.parent / "fetched").iterdir()] == ["good_1.0_all.deb"]
