"""Environments built from their locks: offline, by two at once, after damage, after a kill, and refused where altered."""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit import resources
from kit.errors import EnvironmentUnavailableError
from kit.model import Environment
from kit.runtimes.environments import SEAL, Environments, unfinished
from kit.runtimes.process import ProcessRuntime
from tests.integration.driver import Done, Kit, await_true, variables

PREPARE = """
import sys
from pathlib import Path
from kit.runtimes.process import ProcessRuntime
runtime = ProcessRuntime(Path(sys.argv[1]), Path(sys.argv[2]))
runtime.prepare(runtime.pin(sys.argv[3], None), lambda line: print(line, flush=True))
"""
# No settings of this machine's pip: they may name a folder that has every wheel.
NO_PIP_SETTINGS: dict[str, str | None] = {
    **dict.fromkeys((name for name in os.environ if name.startswith("PIP_")), None),
    "PIP_CONFIG_FILE": os.devnull,
}


def without_network() -> list[str]:
    """A prefix that takes the network away from a command, where this user may do that."""
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("this user may not make a network namespace")
    return ["unshare", "--net"]


@dataclass(frozen=True)
class Tiny:
    """An image whose lock names one package, the wheel of that package in a folder, and a cache."""

    images: Path
    wheels: Path
    cache: Path

    @property
    def environment(self) -> Environment:
        return ProcessRuntime(self.images, self.cache).pin("tiny", None)

    @property
    def path(self) -> Path:
        return Environments(self.images, self.cache).path(self.environment)

    @property
    def module(self) -> Path:
        (found,) = self.path.glob("lib/python*/site-packages/tiny.py")
        return found

    def build(self) -> list[str]:
        told: list[str] = []
        Environments(self.images, self.cache).ensure(self.environment, told.append)
        return told

    def says(self) -> str:
        done = subprocess.run([self.path / "bin" / "tiny-hello"], capture_output=True, text=True, check=True)
        return done.stdout.strip()


def make_wheel(folder: Path, content: str) -> Path:
    """A wheel of one module."""
    files = {
        "tiny.py": content,
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},"
        f"{len(text)}\n"
        for name, text in files.items()
    )
    path = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, "tiny-1.0.dist-info/RECORD": f"{record}tiny-1.0.dist-info/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    found = Tiny(tmp_path / "images", tmp_path / "wheels", tmp_path / "cache")
    (found.images / "tiny").mkdir(parents=True)
    found.wheels.mkdir()
    wheel = make_wheel(found.wheels, "WORD = 'hello'\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (found.images / "tiny" / "requirements.lock").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    program = 'import tiny\n\nif __name__ == "__main__":\n    print(tiny.WORD)\n'
    (found.images / "tiny" / "hello.py").write_text(program)
    monkeypatch.setenv("KIT_WHEELS", str(found.wheels))
    return found


def test_a_whole_environment_is_used_as_it_is(tiny: Tiny) -> None:
    assert tiny.build()
    assert tiny.says() == "hello"
    assert tiny.build() == []


def test_bytecode_that_programs_leave_is_no_damage(tiny: Tiny) -> None:
    tiny.build()
    tiny.says()
    (tiny.module.parent / "__pycache__").mkdir(exist_ok=True)
    (tiny.module.parent / "__pycache__" / "tiny.cpython-0.pyc").write_bytes(b"x")
    assert tiny.build() == []


def delete_the_module(tiny: Tiny) -> None:
    tiny.module.unlink()


def change_a_byte(tiny: Tiny) -> None:
    tiny.module.write_text("WORD = 'hullo'\n")


def add_a_module(tiny: Tiny) -> None:
    (tiny.module.parent / "zip.py").write_text("")


def lose_the_seal(tiny: Tiny) -> None:
    (tiny.path / SEAL).unlink()


def lose_the_python(tiny: Tiny) -> None:
    (tiny.path / "bin" / "python").unlink()


@pytest.mark.parametrize(
    "harm",
    [delete_the_module, change_a_byte, add_a_module, lose_the_seal, lose_the_python],
    ids=lambda harm: harm.__name__.replace("_", "-"),
)
def test_a_damaged_environment_is_built_again(harm: object, tiny: Tiny) -> None:
    tiny.build()
    assert callable(harm)
    harm(tiny)
    assert any("damaged or unfinished, rebuilding it" in line for line in tiny.build())
    assert tiny.says() == "hello"
    assert not (tiny.module.parent / "zip.py").exists()


def test_two_who_ask_at_once_get_one_environment(tiny: Tiny) -> None:
    command = [sys.executable, "-c", PREPARE, str(tiny.images), str(tiny.cache), "tiny"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert "".join(told).count("tiny: building the environment") == 1
    assert tiny.build() == []
    assert tiny.says() == "hello"


def test_a_wheel_that_was_changed_is_refused(tiny: Tiny) -> None:
    make_wheel(tiny.wheels, "WORD = 'evil!'\n")
    with pytest.raises(EnvironmentUnavailableError) as caught:
        tiny.build()
    assert "a package of images/tiny/requirements.lock is not the one that was locked" in str(caught.value)
    assert "tiny" in str(caught.value)
    assert "altered" in caught.value.hint
    assert not (tiny.path / SEAL).exists()


def test_a_missing_wheel_names_the_lock_and_the_folder(tiny: Tiny) -> None:
    (tiny.wheels / "tiny-1.0-py3-none-any.whl").unlink()
    with pytest.raises(EnvironmentUnavailableError) as caught:
        tiny.build()
    assert "images/tiny/requirements.lock could not be fetched" in str(caught.value)
    assert f"the folder {tiny.wheels} lacks it" in caught.value.hint


def test_a_changed_image_makes_another_environment(tiny: Tiny) -> None:
    tiny.build()
    before = tiny.path
    (tiny.images / "tiny" / "hello.py").write_text("if __name__ == \"__main__\":\n    print('new')\n")
    tiny.build()
    assert tiny.path != before
    assert tiny.says() == "new"


def test_an_image_that_changed_after_the_plan_is_refused(tiny: Tiny) -> None:
    planned = tiny.environment
    (tiny.images / "tiny" / "hello.py").write_text("print('new')\n")
    with pytest.raises(EnvironmentUnavailableError, match="images/tiny has changed since the plan was made"):
        Environments(tiny.images, tiny.cache).ensure(planned, print)


def test_a_cache_that_cannot_be_written_is_told(tiny: Tiny) -> None:
    tiny.cache.write_text("in the way")
    with pytest.raises(EnvironmentUnavailableError, match="cannot write the environment tiny") as caught:
        tiny.build()
    assert "KIT_CACHE" in caught.value.hint


# --- the real locks ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheels(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `kit image fetch llamacpp` brings, fetched on this machine."""
    home = tmp_path_factory.mktemp("fetch")
    done = Kit(home, cache).run(
        "image", "fetch", "llamacpp", "--out", "WHEELS", env={"KIT_WHEELS": os.environ.get("KIT_WHEELS")}
    )
    assert done.code == 0, done.err
    return home / "WHEELS"


def smoke(home: Path, cache: Path, wheels: Path | None) -> Done:
    """The environments of the smoke profile without network; kit goes no further than its first lack."""
    env: dict[str, str | None] = {**NO_PIP_SETTINGS, "KIT_WHEELS": str(wheels) if wheels else None}
    return Kit(home, cache).run("run", "smoke", env=env, prefix=without_network())


def test_without_network_and_wheels_the_lock_and_the_way_out_are_told(tmp_path: Path) -> None:
    done = smoke(tmp_path, tmp_path / "cache", None)
    assert done.code == 3
    assert "images/llamacpp/requirements.lock could not be fetched" in done.err
    assert "`kit image fetch llamacpp --out WHEELS`" in done.err
    assert "KIT_WHEELS" in done.err
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


@pytest.mark.xdist_group("wheels")
def test_a_folder_that_was_fetched_is_enough_without_network(wheels: Path, tmp_path: Path) -> None:
    """The server's environment and the model come into being; then the wheels of evalscope are missing, and told."""
    cache = tmp_path / "cache"
    done = smoke(tmp_path, cache, wheels)
    assert "llamacpp: building the environment" in done.err
    (built,) = (path for path in (cache / "environments").glob("llamacpp-*") if path.is_dir())
    assert (built / SEAL).is_file()
    assert done.code == 3
    assert "images/evalscope/1.0.1/requirements.lock could not be fetched" in done.err
    assert f"the folder {wheels} lacks it" in done.err
    assert "`kit image fetch evalscope/1.0.1 --out WHEELS`" in done.err


@pytest.mark.slow
def test_packages_that_exist_as_source_only_come_from_the_folder_too(cache: Path, tmp_path: Path) -> None:
    runtime = ProcessRuntime(resources.folder("images"), cache)
    evalscope = runtime.pin("evalscope", "1.0.1")
    brought = cache / "wheels" / runtime.environments.path(evalscope).name
    script = PREPARE.replace("sys.argv[3], None", '"evalscope", "1.0.1"')
    done = subprocess.run(
        [*without_network(), sys.executable, "-c", script, str(resources.folder("images")), str(tmp_path)],
        env=variables(tmp_path, {**NO_PIP_SETTINGS, "KIT_WHEELS": str(brought)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    program = Environments(resources.folder("images"), tmp_path).path(evalscope) / "bin" / "evalscope"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    assert "1.0.1" in told.stdout + told.stderr


@pytest.mark.xdist_group("wheels")
def test_a_kit_killed_while_building_leaves_what_clean_finds_and_the_next_use_rebuilds(
    wheels: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    kit = Kit(tmp_path, cache)
    env: dict[str, str | None] = {**NO_PIP_SETTINGS, "KIT_WHEELS": str(wheels)}
    for attempt in ("clean", "rebuild"):
        with kit.start("run", "smoke", env=env) as running:
            await_true(lambda: list(cache.glob("environments/llamacpp-*/lib/python*/site-packages/*")), "half a build")
            running.signal(signal.SIGKILL)
            running.finish()
            (half,) = (path for path in (cache / "environments").glob("llamacpp-*") if path.is_dir())
            assert not (half / SEAL).exists()
            assert unfinished(cache) == (half,)
            if attempt == "clean":
                done = kit.run("clean")
                assert done.code == 0, done.err
                assert f"removed {half}" in done.out
                assert not half.exists()
            else:
                done = smoke(tmp_path, cache, wheels)
                assert "llamacpp: the environment in the cache is damaged or unfinished, rebuilding it" in done.err
                assert (half / SEAL).is_file()
                assert half not in unfinished(cache)
            # pip, and the pip that it started, must not write into the next build.
            assert running.programs() == []


@pytest.mark.xdist_group("wheels")
def test_a_signal_while_building_stops_pip_too(wheels: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    kit, temporary = Kit(tmp_path, cache), tmp_path / "temporary"
    temporary.mkdir()
    variables = {**NO_PIP_SETTINGS, "KIT_WHEELS": str(wheels), "TMPDIR": str(temporary)}
    with kit.start("run", "smoke", env=variables) as running:
        await_true(lambda: list(cache.glob("environments/llamacpp-*/lib/python*/site-packages/*")), "half a build")
        running.signal(signal.SIGTERM)
        done = running.finish()
        assert done.code == 130, done.err
        assert running.programs() == []
    assert kit.runs == []
    assert list(temporary.iterdir()) == []


def test_clean_with_cache_removes_all_and_nothing_else(tiny: Tiny, tmp_path: Path) -> None:
    tiny.build()
    shutil.copytree(tiny.wheels, tmp_path / "kept")
    done = Kit(tmp_path, tiny.cache).run("clean", "--cache")
    assert done.code == 0
    assert not tiny.cache.exists()
    assert list((tmp_path / "kept").iterdir())
