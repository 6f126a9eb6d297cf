"""CANN and Ftransformers as images, from stand-ins for the vendors' files; the original's command line runs in them."""

import dataclasses
import gc
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import profile, resources
from kit.engines import ENGINES
from kit.errors import EnvironmentUnavailableError
from kit.images import building, gathering
from tests.integration.vendor import MODEL, ORIGINAL, PREFIX, WEIGHTS, Site
from tests.standins import cann, wheels

CANN = f"{PREFIX}cann/8.2.RC1"
FTRANSFORMERS = f"{PREFIX}ftransformers"

_SAY = (
    "import os, acl; print(acl.__version__, os.environ['ASCEND_OPP_PATH'], os.environ['ATB_MATMUL_SHUFFLE_K_ENABLE'])"
)
_SAID = "8.2.RC1+standin /usr/local/Ascend/ascend-toolkit/latest/opp 1\n"

pytestmark = [
    pytest.mark.xdist_group("vendor-images"),
    # The SDK leaves the sockets of streams that ended to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What the SDK left is collected while this module's tests still run."""
    yield
    gc.collect()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("linux/amd64", marks=pytest.mark.docker),
        pytest.param("linux/arm64", marks=[pytest.mark.docker, pytest.mark.arm64, pytest.mark.slow]),
    ],
    ids=["amd64", "arm64"],
)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with the installers of CANN 8.2.RC1 and the wheels of Ftransformers."""
    made = Site(tmp_path_factory.mktemp("site"), request.param)
    try:
        made.add_cann()
        made.add_wheels()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def toolkit(site: Site) -> str:
    """The image of CANN."""
    return site.build(CANN).id


@pytest.fixture(scope="module")
def server(site: Site, toolkit: str) -> str:
    """The image of Ftransformers."""
    del toolkit
    return site.build(FTRANSFORMERS).id


def test_the_image_is_for_the_platform_asked_for(site: Site, server: str) -> None:
    assert site.docker("inspect", "--format={{.Os}}/{{.Architecture}}", server).strip() == site.platform
    assert site.run(server, "uname", "-m").strip() == site.machine


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ((), ("python3", "-c", _SAY)),
        (("--entrypoint=python3",), ("-c", _SAY)),
        (("--entrypoint=bash",), ("-c", f"exec python3 -c {shlex.quote(_SAY)}")),
        (("--entrypoint=bash",), ("-lc", f"exec python3 -c {shlex.quote(_SAY)}")),
        (("--entrypoint=env",), ("-i", "/bin/bash", "-lc", f"exec python3 -c {shlex.quote(_SAY)}")),
        (("--user=1234:1234", "--cap-drop=ALL"), ("python3", "-c", _SAY)),
        (("--env=PYTHONPATH=/somewhere", "--env=PATH=/usr/bin:/bin"), ("python3", "-c", _SAY)),
    ],
    ids=["command", "entry point", "bash -c", "bash -lc", "no environment", "any user", "changed variables"],
)
def test_the_environment_of_cann_holds_however_a_program_is_started(
    site: Site, toolkit: str, options: tuple[str, ...], command: tuple[str, ...]
) -> None:
    assert site.run(toolkit, *command, options=options) == _SAID


def test_a_variable_that_is_given_wins_over_what_cann_sets(site: Site, toolkit: str) -> None:
    said = site.run(
        toolkit, "sh", "-c", "echo $ATB_MATMUL_SHUFFLE_K_ENABLE", options=["--env=ATB_MATMUL_SHUFFLE_K_ENABLE=0"]
    )
    assert said == "0\n"


def test_what_set_env_sets_beyond_the_image_is_told_and_set_by_the_entry_point(site: Site, toolkit: str) -> None:
    assert "by the entry point and in shells only: ATB_STANDIN_ONLY=1" in "\n".join(site.told)
    assert site.run(toolkit, "printenv", "ATB_STANDIN_ONLY") == "1\n"


def test_with_torch_there_atb_is_the_build_that_fits_it(site: Site, toolkit: str, server: str) -> None:
    say = "import os; print(os.path.basename(os.path.realpath(os.environ['ATB_HOME_PATH'])))"
    before = site.run(toolkit, "-c", say, options=["--entrypoint=python3"])
    after = site.run(server, "-c", say, options=["--entrypoint=python3"])
    assert (before, after) == ("cxx_abi_0\n", "cxx_abi_1\n")


def test_the_vendors_files_themselves_are_in_no_layer(site: Site, server: str, tmp_path: Path) -> None:
    packed = tmp_path / "image.tar"
    site.docker("save", f"--output={packed}", server)
    with tarfile.open(packed) as archive:
        manifest = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest.json"))
        for layer in manifest[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as inside:
                assert not [name for name in inside.getnames() if name.endswith((".run", ".whl"))]


def test_stand_ins_say_so_in_what_results_name(site: Site, server: str) -> None:
    labels = json.loads(site.docker("inspect", "--format={{json .Config.Labels}}", server))
    assert labels["kit.package.ftransformers"] == "3.3.1+standin"
    assert labels["kit.package.torch-npu"] == "2.6.0+standin"


def test_the_profile_of_the_original_machine_says_what_its_report_says() -> None:
    loaded = profile.load("ascend-910b4x2-deepseek-r1-w8a8", ()).profile.server
    words = [*ENGINES["ftransformers"].COMMAND, *(word for group in loaded.args for word in group)]
    exports, command = ORIGINAL.splitlines()
    assert words == shlex.split(command)
    assert [f"export {name}={value}" for name, value in loaded.env] == [exports]


def test_the_original_command_line_runs_unchanged_and_answers(
    site: Site, server: str, tokenizer: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "int4"
    weights.mkdir()
    with site.serving(server, tokenizer, weights, ["bash", "-c", ORIGINAL]) as running:
        running.await_ready()
        chunks = running.stream("DeepSeek-R1-W8A8", "hi", 2)
        log = running.log()
    texts = [choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"]]  # type: ignore[attr-defined]
    assert len([text for text in texts if text]) == 2
    assert {chunk["model"] for chunk in chunks} == {"DeepSeek-R1-W8A8"}
    assert "ftransformers 3.3.1+standin: a stand-in" in log
    assert "HCCL_OP_EXPANSION_MODE=AIV" in log


def test_without_the_environment_of_cann_the_server_ends_as_the_real_one(site: Site, server: str) -> None:
    given = [f"--platform={site.platform}", "--env=LD_LIBRARY_PATH=", "--entrypoint=python"]
    words = ["-m", "ftransformers.launch_server", "--model-path", MODEL, "--cpu-weight-path", WEIGHTS]
    command = ["docker", "run", "--rm", *given, server, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "ImportError: libhccl.so: cannot open shared object file" in done.stderr


def test_an_unchanged_image_is_not_built_again(site: Site, server: str) -> None:
    again = site.build(FTRANSFORMERS)
    assert (again.id, again.changed) == (server, False)


def test_a_base_that_has_cann_needs_no_installers(site: Site, toolkit: str, tmp_path: Path) -> None:
    other = site.other(tmp_path / "other")
    made = other.build(CANN, base=toolkit)
    assert site.run(made.id, "python3", "-c", _SAY) == _SAID


def test_a_base_with_another_cann_is_refused(site: Site, toolkit: str, tmp_path: Path) -> None:
    other = site.other(tmp_path / "other")
    with pytest.raises(EnvironmentUnavailableError) as refused:
        other.build(f"{PREFIX}cann/8.5.0", base=toolkit)
    assert "this image is to have CANN 8.5.0, and has CANN 8.2.RC1+standin" in str(refused.value)


def test_a_base_without_cann_and_no_installers_are_refused(site: Site, toolkit: str, tmp_path: Path) -> None:
    del toolkit  # with it python-base was built
    other = site.other(tmp_path / "other")
    with pytest.raises(EnvironmentUnavailableError) as refused:
        other.build(CANN, base=other.image("python-base").platform_tag)
    assert "the base has no CANN in /usr/local/Ascend" in str(refused.value)


def test_cann_since_8_5_has_its_new_names_and_home(site: Site, tmp_path: Path) -> None:
    other = site.other(tmp_path / "other")
    other.add_cann("8.5.0")
    made = other.build(f"{PREFIX}cann/8.5.0")
    say = "import os, acl; print(acl.__version__, os.path.realpath(os.environ['ASCEND_HOME_PATH']))"
    assert (
        site.run(made.id, "-c", say, options=["--entrypoint=python3"]) == "8.5.0+standin /usr/local/Ascend/cann-8.5.0\n"
    )


def test_ftransformers_on_another_cann_than_its_own_is_refused(site: Site, tmp_path: Path) -> None:
    other = site.other(tmp_path / "other")
    other.add_cann("8.5.0")
    other.add_wheels()
    made = other.build(f"{PREFIX}cann/8.5.0")
    with pytest.raises(EnvironmentUnavailableError) as refused:
        other.build(FTRANSFORMERS, base=made.id)
    assert "is to run on CANN 8.2.RC1, and the base has CANN 8.5.0+standin" in str(refused.value)


def test_the_vendors_own_image_is_loaded_under_its_id(site: Site, server: str, tmp_path: Path) -> None:
    packed = tmp_path / "zhiwen-ftransformers-v3.3.1.tar"
    site.docker("save", f"--output={packed}", server)
    other = site.other(tmp_path / "other")
    assert other.add(packed).record.identity == server
    made = other.build(FTRANSFORMERS)
    assert made.id == server


def test_the_commands_take_files_in_and_tell_what_is_still_missing(tmp_path: Path) -> None:
    """As a user types them, in a checkout that may be written to."""
    for name in ("kit", "images"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(resources.folder("images").parent / name, tmp_path / name, ignore=ignore)
    files = tmp_path / "files"
    files.mkdir()
    toolkit, kernels, nnal = cann.write(files, "8.2.RC1", "aarch64")
    environment = {**os.environ, "KIT_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}

    def kit(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "kit", "image", "add-artifact", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    done = kit(str(toolkit))
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "cann 8.2.RC1")
    assert kernels.name in done.stderr
    assert nnal.name in done.stderr
    done = kit(str(kernels), str(nnal))
    assert "cann 8.2.RC1 has all that it needs" in done.stderr
    assert (tmp_path / "cache" / "artifacts" / "cann" / nnal.name).is_file()
    done = kit(str(wheels.wheel(files, "torch", "2.6.0", {}, tag="cp311-cp311-win_amd64")))
    assert done.returncode == 2
    assert "is for win_amd64" in done.stderr


def test_a_torch_for_another_cann_ends_the_build_before_it_begins(site: Site, tmp_path: Path) -> None:
    other = site.other(tmp_path / "other")
    other.add_cann()
    for path in wheels.write(other.files, torch="2.8.0", torch_npu="2.8.0"):
        other.add(path, FTRANSFORMERS)
    with pytest.raises(EnvironmentUnavailableError, match=r"do not go with CANN 8\.2\.RC1"):
        other.build(FTRANSFORMERS)


def test_what_was_fetched_into_a_folder_is_all_that_a_site_without_network_needs(site: Site, tmp_path: Path) -> None:
    image = site.image(FTRANSFORMERS)
    carried = dataclasses.replace(site.places, fetched=tmp_path / "usb")
    gathering.fetch(image, carried, site.told.append)
    there = dataclasses.replace(carried, artifacts=tmp_path / "none", records=tmp_path / "records")
    made = building.build(image, there, site.store, site.told.append, building.Wanted(again=True))
    assert made.changed
    assert made.built is not None
    first = building.known(image, made.built.inputs_digest, site.places)
    assert first is None or first.content == made.built.content, "the same inputs gave another content"
