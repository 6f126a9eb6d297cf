"""The wheel and the source archive of kit: the same bytes from the same files, and all that kit needs inside."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = "import hatchling.build as b; print(b.build_wheel('dist')); print(b.build_sdist('dist'))"


def built(folder: Path, mtime: int) -> dict[str, Path]:
    """Both distributions, made from a copy of the repository in `folder` whose files are of another time."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
            os.utime(folder / name, (mtime, mtime))
    # `dist` must be there: the back end alone does not make it for both.
    (folder / "dist").mkdir()
    variables = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder, env=variables, capture_output=True, text=True, check=True
    )
    return {name: folder / "dist" / name for name in done.stdout.split()}


def test_two_builds_from_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = (built(tmp_path / name, mtime) for name, mtime in (("a", 10**9), ("elsewhere", 1_700_000_000)))
    assert [Path(name).suffixes[-1] for name in first] == [".whl", ".gz"]
    digests = [
        {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in m.items()} for m in (first, second)
    ]
    assert digests[0] == digests[1]
    wheel = next(path for name, path in first.items() if name.endswith(".whl"))
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {"kit/data/profiles/smoke.yaml", "kit/data/templates/report.html.j2", "kit/data/images/lock.json"} <= inside
