"""A bench whose programs run in containers: an engine and a load generator of a few lines of shell, in images of busybox alone."""

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from kit import owners
from kit import profile as profiles
from kit.running.beginning import Prepared
from kit.runtimes.docker.engine import OWNER
from kit.workflows import running
from tests.faults.bench import Bench
from tests.image_store import config, docker_save, tar
from tests.integration.driver import free_port
from tests.unit.evalscope_files import Request, write

TAGS = {"llamacpp": "kit-test/faults-server:latest", "evalscope": "kit-test/faults-load:latest"}
PROFILE = """\
schema: 1
name: contained
server:
  engine: llamacpp
  image: llamacpp
  port: {port}
  model: good
  ready_timeout: 60s
  stall_limit: 60s
  container: {container}
  args: [[--host, "{{host}}"], [--port, "{{port}}"]]
load:
  rounds: {rounds}
  tokenizer: {tokenizer}
  transport: evalscope
  cases: [{{input: 10, output: 8, concurrency: [1]}}]
"""
EXTERNAL = """\
schema: 1
name: canary
server:
  engine: endpoint
  url: {url}
  model: good
  api_key: {{env: ENDPOINT_KEY}}
load:
  rounds: 2
  tokenizer: {tokenizer}
  transport: evalscope
  cases: [{{input: 10, output: 8, concurrency: [1]}}]
"""
SERVE = """\
#!/bin/sh
echo "phase: load begin"
[ "$1" = --host ] && [ "$3" = --port ] || exit 9
nc -ll -p "$4" -e /bin/answer &
echo "phase: ready"
while [ ! -e eat ]; do sleep 0.1; done
echo "eating"
exec tail /dev/zero
"""
"""Serves until a file `eat` lies in its directory; then it takes memory without end."""
ANSWER = """\
#!/bin/sh
read -r line
length=0
while read -r header; do
    header=$(printf %s "$header" | tr -d '\\r')
    [ -n "$header" ] || break
    case $header in [Cc]ontent-[Ll]ength:*) length=${header#*: } ;; esac
done
[ "$length" = 0 ] || head -c "$length" > /dev/null
case $line in
POST*)
    printf 'HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\nConnection: close\\r\\n\\r\\n'
    printf 'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\\n\\ndata: [DONE]\\n\\n'
    ;;
*) printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{}' ;;
esac
"""
LOAD = """\
#!/bin/sh
while [ $# -gt 1 ]; do
    case $1 in
    --tokenizer-path) made=$2 ;;
    --seed) seed=$2 ;;
    esac
    shift
done
echo "sending"
if [ -n "$KIT_API_KEY_FILE" ]; then
    key=$(cat "$KIT_API_KEY_FILE")
    printf '\\000%s\\000' "$key" > kept.bin
    echo "a line with $key and $(printf %s "$key" | base64)"
fi
while [ -e "$made/waits-$seed" ]; do sleep 0.1; done
[ ! -e "$made/fails-$seed" ] || exit 7
cp -r "$made"/made/. .
echo "sent"
"""
"""Tells the key that it is given, if it is, as a careless program would. Leaves the files of a round that was made beforehand, after a file `waits-<seed>` beside them is gone; fails where there is one `fails-<seed>`."""
PROBE = """\
#!/bin/sh
echo 'kit-probe {"threads": true}'
"""
_COMMANDS = ("sh", "base64", "sleep", "tail", "nc", "cat", "head", "tr", "printf", "cp", "echo", "[", "test")


def reference(image: str, variant: str | None, platform: str | None) -> str:
    """What kit is to find images by instead of its own names: this machine's own images are not touched."""
    del variant, platform
    return TAGS[image]


def archive(kind: str) -> bytes:
    """An image as `docker load` takes it: the same bytes, and so the same id, whenever it is made."""
    busybox = shutil.which("busybox") or pytest.fail("these tests need the package busybox-static")
    programs = {"llamacpp-serve": SERVE, "answer": ANSWER, "evalscope": LOAD, "evalscope-noted": LOAD, "python3": PROBE}
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as packed:
        content = Path(busybox).read_bytes()
        for name, data in {"busybox": content, **{name: text.encode() for name, text in programs.items()}}.items():
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.size, entry.mode = len(data), 0o755
            packed.addfile(entry, io.BytesIO(data))
        for name in _COMMANDS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            packed.addfile(link)
        place = tarfile.TarInfo("tmp")
        place.type, place.mode = tarfile.DIRTYPE, 0o1777
        packed.addfile(place)
    layers = [layer.getvalue()]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    # The label makes two images of it: one may be removed while the other is used.
    described = config(layers, {"of": kind}, architecture=machine)
    return tar(docker_save(described, [TAGS[kind]], layers))


def put(*kinds: str) -> None:
    """Bring images to the engine that `DOCKER_HOST` names."""
    with closing(docker.from_env()) as client:
        for kind in kinds or TAGS:
            client.images.load(archive(kind))


@dataclass
class Contained(Bench):
    """A bench on the engine that `DOCKER_HOST` names."""

    def __post_init__(self) -> None:
        super().__post_init__()
        put()
        made = self.tokenizer / "made"
        made.mkdir(parents=True)
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            (self.tokenizer / name).write_text('{"chat_template": "{{ messages }}"}')
        write("1.0.1", made, self.home / "made.log", [Request(usage=(10, 8))])

    @property
    def tokenizer(self) -> Path:
        return self.home / "tokenizer"

    def contained(self, *, rounds: int = 2, container: str = "{}") -> Prepared:
        text = PROFILE.format(port=free_port(), tokenizer=self.tokenizer, rounds=rounds, container=container)
        prepared = running.planned(profiles.parse(text, "contained.yaml"), "docker", self.out)
        return Prepared(prepared.plan, prepared.profile, prepared.out, collected=self.collected)

    def external(self, url: str) -> str:
        """A profile whose load alone runs in containers, with the key in `ENDPOINT_KEY`."""
        return EXTERNAL.format(url=url, tokenizer=self.tokenizer)

    def against(self, url: str) -> Prepared:
        """A plan of that profile."""
        prepared = running.planned(profiles.parse(self.external(url), "canary.yaml"), "docker", self.out)
        return Prepared(prepared.plan, prepared.profile, prepared.out, collected=self.collected)

    @contextmanager
    def waiting(self, round_: int) -> Iterator[None]:
        """That round lasts until the context is left."""
        sign = self.sign("waits", round_)
        sign.touch()
        try:
            yield
        finally:
            sign.unlink()

    def sign(self, what: str, round_: int) -> Path:
        """The file by which the load of a round is told to wait or to fail."""
        return self.tokenizer / f"{what}-{41 + round_}"


def left_in_engine() -> list[str]:
    """Containers and networks of kits that are no more, and of this process."""
    own = owners.identity(os.getpid())
    wanted: dict[str, str | list[str] | bool] = {"label": OWNER}
    with closing(docker.from_env()) as client:
        # Others use the engine too, and may remove theirs meanwhile.
        there = client.containers.list(all=True, filters=wanted, ignore_removed=True)
        found = [(f"container {one.name}", one.labels) for one in there]
        found += [
            (f"network {one.name}", (one.attrs or {}).get("Labels") or {})
            for one in client.networks.list(filters=wanted)
        ]
    marked = [(name, labels.get(OWNER, "")) for name, labels in found]
    return [name for name, mark in marked if mark.startswith(f"{own}.") or not owners.alive(mark)]
