"""What a command writes is noted while it writes it: after a kill the next command knows where to look."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.errors import HostError
from kit.resources import cache
from kit.running.beginning import write_inventory
from kit.runtimes import notes
from kit.signing import keys
from kit.workflows import judging, perf, running, sealing, writing
from tests.fakes import BEGIN
from tests.unit.old_reports import markdown
from tests.unit.test_resuming import collected
from tests.unit.written import Written

Act = Callable[[], object]


def sign(folder: Path) -> Act:
    run = Written(folder, "acceptance.success_rate=100%").run
    keys.make(folder / "a.key", "ed25519", None)
    key = keys.load(str(folder / "a.key"), str)
    return lambda: sealing.sign(run, key, "tester", "A", BEGIN)


def report(folder: Path) -> Act:
    run = Written(folder).run
    return lambda: running.write_report(run)


def tables(folder: Path) -> Act:
    found = Written(folder).report()
    return lambda: perf.claim(str(folder / "a.csv"), str(folder / "below" / "b.xlsx"), "now").write(found)


def inventory(folder: Path) -> Act:
    return lambda: write_inventory(collected(), folder)


def imported(folder: Path) -> Act:
    path = folder / "old.md"
    path.write_text(markdown(), "utf-8")
    return lambda: judging.take(path, folder / "out")


@pytest.mark.parametrize("made", [sign, report, tables, inventory, imported], ids=lambda made: made.__name__)
def test_every_folder_is_noted_while_something_is_written_into_it(
    made: Callable[[Path], Act], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act, folders = made(tmp_path), []

    def watched(call: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        def put(source: Path, target: Path) -> None:
            noted = [notes.written_into(os.readlink(note)) for note in (cache() / "notes").glob("*")]
            folders.append(target.parent in noted)
            call(source, target)

        return put

    for name in ("replace", "link"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    act()
    assert len(folders) > 1
    assert all(folders)
    assert list((cache() / "notes").iterdir()) == []


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="file"):
        writing.files([(tmp_path / "file" / "a", b"1")], hint="give another place")
