"""A tiny engine and a tiny load generator, as real programs; `faults.json` in their home says what each start does wrong.

python stub_programs.py HOME server|load [the arguments of the real one]
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import types
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.unit.evalscope_files import Request

CHILD = "import time; time.sleep(3600)"


def main() -> None:
    home, kind, *arguments = sys.argv[1:]
    number = _start_number(Path(home), kind)
    faults = json.loads((Path(home) / "faults.json").read_text("utf-8")).get(kind, {})
    fault = str(faults.get(str(number), faults.get("every", "")))
    if kind == "server":
        _serve(_options(arguments), fault)
    else:
        _send(_options(arguments), fault)


def _start_number(home: Path, kind: str) -> int:
    for number in range(1, 100_000):
        try:
            (home / f"{kind}-{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return number
    raise AssertionError("too many starts")


def _options(arguments: list[str]) -> dict[str, str]:
    return {name: value for name, value in itertools.pairwise(arguments) if name.startswith("--")}


def _serve(options: dict[str, str], fault: str) -> None:
    from tests.stub_server import Behaviour, Stub

    print("phase: load begin", flush=True)
    if fault == "dies-loading":
        print("DefaultCPUAllocator: can't allocate memory", flush=True)
        sys.exit(1)
    if fault == "late":
        time.sleep(1.5)
    if fault == "children":
        subprocess.Popen([sys.executable, "-S", "-c", CHILD], start_new_session=True)
    if fault == "floods":
        threading.Thread(target=_flood, daemon=True).start()
    behaviour = Behaviour(first_text_s=0.005, gap_s=0.001)
    with Stub(behaviour, int(options["--port"])) as server:
        if fault.startswith("dies@"):
            threading.Thread(target=_die_with, args=(Path(sys.argv[1]) / fault[5:],), daemon=True).start()
        if fault == "eats-memory":
            threading.Thread(target=_eat, daemon=True).start()
        print("phase: ready", flush=True)
        server.serve_forever(poll_interval=0.01)


def _die_with(sign: Path) -> None:
    """End as soon as a program has begun, such as the second load generator."""
    while not sign.exists():
        time.sleep(0.005)
    time.sleep(0.3)
    os._exit(3)


def _flood() -> None:
    """10,000 lines a second."""
    line = "x" * 80 + "\n"
    while True:
        begun = time.monotonic()
        sys.stdout.write(line * 1000)
        sys.stdout.flush()
        time.sleep(max(0.0, 0.1 - (time.monotonic() - begun)))


def _eat() -> None:
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20)))


def _send(options: dict[str, str], fault: str) -> None:
    _without_kit()
    from tests.unit.evalscope_files import write

    raw = Path.cwd()
    print("sending", flush=True)
    if fault == "killed":
        os.kill(os.getpid(), 9)
    if fault == "hangs":
        time.sleep(3600)
    if fault == "nothing":
        return
    if fault == "fills-log":
        sys.stdout.write(("y" * 120 + "\n") * 200_000)
    url, model, number = options["--url"], options["--model"], int(options["--number"])
    made = int(options["--max-tokens"])
    began = time.perf_counter()
    requests = [_one(url, model, made, index, began) for index in range(number)]
    log = raw / "stub.log"
    write("1.0.1", raw, log, requests, clock=began)
    shutil.copyfileobj(log.open(), sys.stdout)
    if fault == "truncates":
        (database,) = raw.glob("**/benchmark_data.db")
        content = database.read_bytes()
        database.write_bytes(content[: len(content) // 2])


def _without_kit() -> None:
    """Make the import of kit's records cost nothing: what writes evalscope's files only names them."""
    words = types.ModuleType("kit.model")
    vars(words).update(dict.fromkeys(("Case", "Length", "Order", "Target"), object))
    sys.modules.update({"kit": types.ModuleType("kit"), "kit.model": words})


def _one(url: str, model: str, tokens: int, index: int, began: float) -> Request:
    from tests.unit.evalscope_files import Request

    prompt = f"prompt number {index} which is long enough"
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": tokens, "stream": True}
    sent = time.perf_counter() - began
    ask = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    texts: list[float] = []
    finish = None
    failure = None
    try:
        with urllib.request.urlopen(ask, timeout=60) as answer:
            for line in answer:
                if not line.startswith(b"data:") or b"[DONE]" in line:
                    continue
                chunk = json.loads(line[5:])
                choice = (chunk.get("choices") or [{}])[0]
                if choice.get("delta", {}).get("content"):
                    texts.append(time.perf_counter() - began)
                finish = choice.get("finish_reason") or finish
    except urllib.error.HTTPError as error:
        failure = str(error.code), error.read().decode(errors="replace")[:100]
    except (OSError, ValueError) as error:
        failure = "200", f"{type(error).__name__}: {error}"
    ended = time.perf_counter() - began
    return Request(
        sent=sent,
        role_at=texts[0] if texts else None,
        text_at=tuple(texts),
        ended=ended,
        finish=finish,
        usage=(10, len(texts)) if texts and failure is None else None,
        counted=(10, len(texts)),
        failure=failure if failure is not None or texts else ("200", "no text"),
    )


if __name__ == "__main__":
    main()
