"""From `kit run` to `kit reproduce`: measured, signed and bundled here; verified and repeated where there is nothing but the bundle."""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit.library import find
from tests.e2e.test_containers import EMULATED_S, built
from tests.integration.driver import Done, Kit, free_port
from tests.integration.test_environments import NO_PIP_SETTINGS, without_network

# With the tests that build kit's image, which are at hand then.
pytestmark = [pytest.mark.xdist_group("docker")]

# Tokens leave at times that are known beforehand, so the very same figures come out on every machine.
STEADY = """\
schema: 1
name: steady
server:
  engine: reference
  image: evalscope/1.0.1
  port: {port}
  args:
    - [--host, "{{host}}"]
    - [--port, "{{port}}"]
    - [--model, reference]
    - [--input-tokens, "64"]
    - [--ttft, 800ms]
    - [--itl, 60ms]
load:
  tokenizer: {tokenizer}
  cases:
    - {{input: 64, output: 16, concurrency: [1, 2]}}
acceptance: {{success_rate: 100%}}
"""


@dataclass(frozen=True)
class Signed:
    """A measured run that somebody signed, its bundle, and the trust file."""

    home: Path
    cache: Path
    run: Path
    trust: Path

    @property
    def kit(self) -> Kit:
        return Kit(self.home, self.cache)


@pytest.fixture(scope="module")
def signed(cache: Path, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    home = tmp_path_factory.mktemp("signed")
    kit = Kit(home, cache)
    # Below the home, which other containers see at the same place.
    own = Path(shutil.copytree(tokenizer, home / "tokenizer", ignore=shutil.ignore_patterns("*.gguf")))
    (home / "steady.yaml").write_text(STEADY.format(port=free_port(), tokenizer=own), "utf-8")
    done = kit.run("run", "steady.yaml")
    assert done.code == 0, done.err
    made = kit.run("key", "new", "-o", "tester.key", "--no-passphrase")
    (home / "trust.yaml").write_text(made.out, "utf-8")
    done = kit.run("sign", "latest", "--role", "tester", "--key", "tester.key", "--name", "张三")
    assert done.code == 0, done.err
    return Signed(home, cache, kit.the_run, home / "trust.yaml")


def test_a_run_that_kit_measured_is_signed_and_verified(signed: Signed) -> None:
    done = signed.kit.run("verify", "latest", "--trust", "trust.yaml")
    assert done.code == 0, done.err
    assert (
        "figures of 2 rounds worked out again from the requests, 2 of them from the load generator's own files"
        in done.out
    )
    assert "张三" in (signed.run / "report" / "report.md").read_text("utf-8")


def reproduced(done: Done, home: Path, original: str) -> None:
    """Every figure came out again: what kit says, its exit code, and what it leaves behind."""
    assert done.code == 0, done.err
    assert "signed by 张三 (tester)" in done.err
    assert f"{original} was reproduced: all 14 figures of 2 cases are within the tolerance" in done.out
    (run,) = (home / "runs").iterdir()
    found = json.loads((run / "reproduction.json").read_text("utf-8"))
    assert (found["original"], found["signed_by"]) == (original, ["张三 (tester)"])
    metrics = {"latency", "output_throughput", "ttft", "tpot", "tps", "per_stream_throughput", "success_rate"}
    assert {(one["case"], one["metric"], one["state"]) for one in found["figures"]} == {
        (case, metric, "within") for case in ("64-16-c1", "64-16-c2") for metric in metrics
    }


@pytest.mark.docker
def test_a_bundle_made_in_one_container_is_repeated_in_another_without_network_and_with_an_empty_home(
    signed: Signed, tmp_path: Path
) -> None:
    built(signed.kit, images=("kit",))
    for name in ("carried", "home", "work"):
        (tmp_path / name).mkdir()

    def contained(words: Sequence[str], *options: str) -> Done:
        limits = (
            "--network",
            "none",
            "--user",
            f"{os.getuid()}:{os.getgid()}",
            "--env",
            "TERM=dumb",
            "--env",
            "COLUMNS=200",
        )
        argv = ["docker", "run", "--rm", *limits, *options, "kit/kit:latest", *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=EMULATED_S, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    mounted = (
        "--volume",
        f"{signed.cache}:/cache:ro",
        "--env",
        "KIT_CACHE=/cache",
        "--volume",
        f"{signed.home}:{signed.home}:ro",
    )
    carried = ("--volume", f"{tmp_path / 'carried'}:/carried", "--workdir", "/carried")
    done = contained(["bundle", str(signed.run), "-o", "run.kit"], *mounted, *carried)
    assert done.code == 0, done.err
    (tmp_path / "carried" / "trust.yaml").write_bytes(signed.trust.read_bytes())
    fresh = (
        "--env",
        "HOME=/fresh",
        "--volume",
        f"{tmp_path / 'home'}:/fresh",
        "--volume",
        f"{tmp_path / 'work'}:/work",
    )
    only = ("--volume", f"{tmp_path / 'carried'}:/carried:ro", "--workdir", "/work")
    words = ["reproduce", "/carried/run.kit", "--trust", "/carried/trust.yaml", "--tolerance", "25"]
    done = contained(words, *fresh, *only)
    reproduced(done, tmp_path / "work", signed.run.name)
    assert "virtualisation: " in done.out


def test_a_bundle_is_repeated_where_a_file_of_it_was_swapped_only_after_somebody_saw_it(
    signed: Signed, tmp_path: Path
) -> None:
    """Without network; the refusals come before anything is made."""
    kit = signed.kit
    for name in ("one", "other"):
        done = kit.run("bundle", "latest", "-o", f"{name}.kit", "--without", "kit")
        assert done.code == 0, done.err
    path = signed.home / "one.kit"
    assert path.read_bytes() == (signed.home / "other.kit").read_bytes()
    listed = kit.run("bundle", "list", "one.kit")
    assert listed.code == 0
    assert "wheels/" in listed.out
    verified = kit.run("verify", "one.kit", "--trust", "trust.yaml")
    assert verified.code == 0, verified.err
    # Every wheel, those built from sources too, is one that a lock pins or that kit knows.
    assert "look at" not in verified.err
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    prefix, env = without_network(), {**NO_PIP_SETTINGS, "KIT_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    for words in (("verify", "one.kit", "--trust", "trust.yaml"), ("reproduce", "one.kit", "--trust", "trust.yaml")):
        refused = kit.run(*words, env=env, prefix=prefix)
        assert refused.code == 6
        assert "was modified" in refused.err
    unsigned = kit.run("reproduce", "other.kit", env=env, prefix=prefix)
    assert unsigned.code == 6
    assert "nothing says whose signatures count" in unsigned.err
    # The folder in which a bundle is looked at was noted there.
    assert list((tmp_path / "cache").rglob("*")) == [tmp_path / "cache" / "notes"]


def test_an_imported_report_is_repeated_from_what_kit_import_wrote(cache: Path, tmp_path: Path) -> None:
    """The profile and the table that an import leaves, made to fit a machine that has none of the original's cards."""
    kit = Kit(tmp_path, cache)
    (tmp_path / "old.csv").write_text("input,output,concurrency,avg_latency_s,avg_ttft_s\n64,16,1,1000.0,500.0\n")
    smoke = find("smoke").read_text("utf-8")
    (tmp_path / "old.yaml").write_text(smoke)
    words = ("reproduce", "old.yaml", "--set", f"server.port={free_port()}", "--set", "load.rounds=1")
    case = ("--set", "load.cases=[{input: 64, output: 16, concurrency: 1}]")
    refused = kit.run(*words, *case)
    assert refused.code == 2
    assert "without a baseline" in refused.err
    (tmp_path / "old.yaml").write_text(f"{smoke}\nacceptance: {{baseline: old.csv, tolerance: {{latency: +10%}}}}\n")
    done = kit.run(*words, *case)
    assert done.code == 7, shlex.join(words) + done.err
    assert "was not reproduced: 2 of 2 figures are outside the tolerance, in 64-16-c1" in done.out
