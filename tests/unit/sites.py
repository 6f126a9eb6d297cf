"""A machine like the original's with its model, on which one thing is changed: what most tests of the checks begin with."""

import json
import struct
from pathlib import Path
from typing import Literal

import pytest

from kit import doctor, profile
from kit import plan as plans
from kit.doctor import Asked, Probe
from kit.model import Check, Plan
from tests import ascend_host
from tests.fakes import FakeHost, FakeRuntime

PROFILE = """\
schema: 1
name: cards
machine:
  architecture: aarch64
  accelerator: {{kind: ascend, model: 910B4, count: 2, memory_gib: 64}}
server:
  engine: ftransformers
  image: ftransformers
  port: 8001
  mounts: [{folder}]
  container: {{network: host, cap_add: [SYS_NICE]}}
  args:
    - [--model-path, {folder}/w8a8]
    - [--cpu-weight-path, {folder}/int4]
    - [--port, 8001]
    - [--cpuinfer, 128]
    - [--subpool-count, 4]
load: {{tokenizer: {folder}/w8a8, cases: [{{input: 128, output: 512, concurrency: [1, 2]}}]}}
"""
NPU = "npu-smi info"
EVEN = "warn memory channels: 20 modules, not the same in every channel"


def safetensors(size: int) -> bytes:
    """A whole file whose tensors take `size` bytes."""
    header = json.dumps({"__metadata__": {"format": "pt"}, "x": {"dtype": "I8", "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * size


def model(folder: Path) -> None:
    """A model as the original's: an index with two files, a tokenizer; and the experts beside it."""
    whole = folder / "w8a8"
    whole.mkdir(parents=True)
    (whole / "config.json").write_text("{}")
    (whole / "tokenizer.json").write_text("{}")
    (whole / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    names = [f"model-{number:05d}-of-00002.safetensors" for number in (1, 2)]
    for name in names:
        (whole / name).write_bytes(safetensors(100))
    index = {"metadata": {"total_size": 200}, "weight_map": {"a": names[0], "b": names[1]}}
    (whole / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "int4").mkdir()
    (folder / "int4" / "experts.safetensors").write_bytes(safetensors(50))


class Site:
    """A machine like the original's with its model, on which one thing is changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        model(folder / "model")
        self.host = FakeHost()
        self.changes: dict[str, str | None] = {}
        self.settings: tuple[str, ...] = ()
        self.runtime: Literal["process", "docker"] = "docker"
        self.probe: Probe | None = Probe(threads=True, numa=True, cpus="0-127", reason="")
        self.busy: str | None = None

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def plan(self) -> Plan:
        loaded = profile.parse(PROFILE.format(folder=self.model), "p.yaml", self.settings)
        fake = FakeRuntime()
        return plans.make(
            loaded.profile,
            sha256=loaded.sha256,
            runtime=self.runtime,
            pin=fake.pin,
            models=self.folder / "made",
            version=fake.version,
            inventory=ascend_host.inventory(self.changes),
            present=self.host.exists,
        )

    def checks(self, *, digests: bool = False) -> tuple[Check, ...]:
        return doctor.examine(
            Asked(
                plan=self.plan(),
                inventory=ascend_host.inventory(self.changes),
                host=self.host,
                output=self.folder / "runs",
                busy=self.busy,
                probe=self.probe,
                digests=digests,
            )
        )

    def wrong(self, *, digests: bool = False) -> list[str]:
        """What is not ok, as `level name: found`."""
        found = self.checks(digests=digests)
        return [f"{check.level} {check.name}: {check.found}" for check in found if check.level != "ok"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)
