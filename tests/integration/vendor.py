"""The images that need vendor files, under names of their own, built from stand-ins and run."""

import dataclasses
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kit import images, resources
from kit.images import artifacts, building, gathering
from kit.images.artifacts import adding
from kit.runtimes.docker.engine import Engine
from kit.runtimes.docker.images import DockerImages
from tests.integration.driver import await_true, shared_cache
from tests.standins import cann, wheels

PREFIX = "standin-"
MODEL = "/home/model/DeepSeek-R1-W8A8"
WEIGHTS = "/home/model/deepseek-int4"

ORIGINAL = """\
export HCCL_OP_EXPANSION_MODE=AIV
python -m ftransformers.launch_server --host 0.0.0.0 --port 8001 --model-path /home/model/DeepSeek-R1-W8A8 \
--attention-backend ascend --chunked-prefill-size 8192 --tensor-parallel-size 2 --device npu --trust-remote-code \
--mem-fraction-static 0.92 --disable-radix-cache --max-total-tokens 190000 \
--cpu-weight-path /home/model/deepseek-int4 --cpuinfer 128 --subpool-count 4 --num-gpu-experts 0 \
--quantization w8a8_int8 --served-model-name DeepSeek-R1-W8A8 --enable-defer
"""
"""What the original report gives as its command: two lines of a shell."""


class Site:
    """One site: its copy of the images, what it was given by vendors, and the engine of this machine.

    What can be fetched is fetched once for all tests of this machine. The copies are called `standin-cann` and `standin-ftransformers`: an engine on which somebody built the real ones keeps
    them.
    """

    def __init__(self, folder: Path, platform: str, engine: Engine | None = None) -> None:
        self.images = folder / "images"
        self.platform = platform
        self.machine = images.MACHINES[platform]
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        self.engine = engine or Engine()
        self.store = DockerImages(self.engine)
        self.told: list[str] = []
        self.shared = shared_cache() / "test-fetched"
        self.places = gathering.Places(
            images=self.images,
            kit=resources.folder("images").parent / "kit",
            fetched=folder / "fetched",
            artifacts=folder / "artifacts",
            records=folder / "records",
        )
        shutil.copytree(resources.folder("images"), self.images, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("cann", "ftransformers"):
            shutil.copytree(self.images / name, self.images / f"{PREFIX}{name}")
            for file in (artifacts.FILE, images.FILE):
                (self.images / name / file).unlink()
            listed = self.images / f"{PREFIX}{name}" / artifacts.FILE
            listed.write_text(listed.read_text("utf-8").partition(adding.MARK)[0], "utf-8")
        definition = self.images / f"{PREFIX}ftransformers" / images.FILE
        definition.write_text(definition.read_text("utf-8").replace('"cann/', f'"{PREFIX}cann/'), "utf-8")
        if engine is None:
            llamacpp = dataclasses.replace(self.places, fetched=self.shared)
            gathering.fetch(self.image("llamacpp"), llamacpp, self.told.append)
        shutil.copytree(self.shared, self.places.fetched, copy_function=os.link)

    def other(self, folder: Path) -> "Site":
        """Another site on this machine, which nobody has handed anything yet."""
        return Site(folder, self.platform, self.engine)

    def image(self, reference: str) -> images.Image:
        return images.find(self.images, reference, self.platform)

    def add_cann(self, version: str = "8.2.RC1") -> None:
        """Hand over the three installers."""
        for path in cann.write(self.files, version, self.machine):
            self.add(path)

    def add_wheels(self) -> None:
        """Hand over the wheels, with that of the engine that answers in the place of Ftransformers."""
        for path in (*wheels.write(self.files), self.llamacpp()):
            self.add(path, f"{PREFIX}ftransformers")

    def llamacpp(self) -> Path:
        """The wheel of llama.cpp for this platform, as llamacpp's lock names it."""
        (found,) = self.shared.glob(f"xllamacpp-*{self.machine}.whl")
        return found

    def add(self, path: Path, image: str | None = None) -> adding.Taken:
        return adding.add(self.images, self.places.artifacts, path, self.told.append, image=image)

    def build(self, reference: str, base: str | None = None) -> building.Outcome:
        """Build an image, with what lies below it."""
        wanted = building.Wanted(base=base)
        return building.build(self.image(reference), self.places, self.store, self.told.append, wanted)

    def docker(self, *arguments: str) -> str:
        """What a docker command prints; a failure of it is one of the test."""
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, image: str, *command: str, options: Sequence[str] = ()) -> str:
        """What a program prints in a container that nothing leaves."""
        return self.docker("run", "--rm", "--network=none", f"--platform={self.platform}", *options, image, *command)

    @contextmanager
    def serving(self, image: str, model: Path, weights: Path, command: Sequence[str]) -> Iterator["Server"]:
        """A server in the state that the original report's machine had it, on a free port of 127.0.0.1."""
        name = f"kit-test-{hashlib.sha256(str(self.files).encode()).hexdigest()[:12]}"
        mounts = [f"--volume={model}:{MODEL}:ro", f"--volume={weights}:{WEIGHTS}:ro"]
        options = ["--detach", "--init", "--publish=127.0.0.1:0:8001", f"--platform={self.platform}", f"--name={name}"]
        self.docker("run", *options, *mounts, image, *command)
        try:
            yield Server(self, name)
        finally:
            self.docker("rm", "--force", "--volumes", name)

    def close(self) -> None:
        """Remove the images that were built under the names of stand-ins, and leave the engine."""
        listed = self.docker("images", "--format={{.Repository}}:{{.Tag}}", f"kit/{PREFIX}*")
        if names := listed.split():
            self.docker("image", "rm", "--force", *names)
        self.engine.close()


class Server:
    """A server in a container."""

    def __init__(self, site: Site, name: str) -> None:
        self._site = site
        self._name = name

    def log(self) -> str:
        """Its standard output so far."""
        return self._site.docker("logs", self._name)

    def await_ready(self) -> None:
        """Wait for the line that engines of this family write when they are ready."""

        def ready() -> bool:
            running = self._site.docker("inspect", "--format={{.State.Running}}", self._name).strip()
            assert running == "true", f"the server has ended: {self.log()}"
            return "The server is fired up and ready to roll!" in self.log()

        await_true(ready, "the server's ready line")

    def stream(self, model: str, prompt: str, max_tokens: int) -> list[dict[str, object]]:
        """The chunks of one streamed chat completion."""
        port = int(self._site.docker("port", self._name, "8001/tcp").rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=240)
        body = {
            "model": model,
            "stream": True,
            "max_tokens": max_tokens,
            "messages": [{"role": "user", "content": prompt}],
        }
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse().read().decode()
        connection.close()
        assert "data: [DONE]" in answer, answer
        return [json.loads(line) for line in re.findall(r"^data: (\{.*\})$", answer, re.MULTILINE)]
