"""The wheel and the source archive of kit: the same bytes from the same files, and all that kit needs inside."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = "import hatchling.build as b; print(b.build_wheel('dist')); print(b.build_sdist('dist'))"


DISTRIBUTED = re.compile(
    r"(?:docs|images|kit|profiles|templates)/.*|[A-Z].*\.md|requirements\.(?:in|lock)|pyproject\.toml|\.gitignore"
)
"""What is of use without the repository."""
STRAY = ("tester.key", ".env", "notes.txt", "site.kit", *(f"{folder}/tester.key" for folder in ("docs", "images", "kit", "templates")),
    "profiles/site.yaml", "kit/id_rsa", "tests/id_rsa")  # fmt: skip


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in filter(None, listed.split("\0")) if (ROOT / name).is_file()]


def copied(folder: Path, mtime: int = 10**9) -> Path:
    """A copy of the repository whose files are of another time."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
        os.utime(folder / name, (mtime, mtime))
    return folder


def built(folder: Path) -> dict[str, Path]:
    """Both distributions of what lies in a folder."""
    # `dist` must be there: the back end alone does not make it for both.
    (folder / "dist").mkdir()
    variables = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder, env=variables, capture_output=True, text=True, check=True
    )
    return {name: folder / "dist" / name for name in done.stdout.split()}


def test_two_builds_from_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        built(copied(tmp_path / name, mtime)) for name, mtime in (("a", 10**9), ("elsewhere", 1_700_000_000))
    )
    assert [Path(name).suffixes[-1] for name in first] == [".whl", ".gz"]
    digests = [
        {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in m.items()} for m in (first, second)
    ]
    assert digests[0] == digests[1]
    wheel = next(path for name, path in first.items() if name.endswith(".whl"))
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {"kit/data/profiles/smoke.yaml", "kit/data/templates/report.html.j2", "kit/data/images/lock.json"} <= inside


def test_what_else_lies_in_a_checkout_is_in_no_distribution(tmp_path: Path) -> None:
    work = copied(tmp_path / "work")
    for name in STRAY:
        (work / name).write_bytes(b"secret")
    wheel, source = built(work).values()
    with tarfile.open(source) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path / "source", filter="data")
    assert packed == {name for name in tracked() if DISTRIBUTED.fullmatch(name)} | {"PKG-INFO"}
    (again, _) = built(next((tmp_path / "source").iterdir())).values()
    assert again.read_bytes() == wheel.read_bytes()
    own = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {re.sub("^kit/data/", "", name) for name in own} == {
        name for name in packed if name.startswith(("images/", "kit/", "profiles/", "templates/"))
    }
