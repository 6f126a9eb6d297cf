"""A stand-in for `python -m ftransformers.launch_server`: its flags and log lines, over llama.cpp.

It needs what the real one needs as far as that shows without a card: CANN's environment and libraries, a model's directory,
the directory of the experts' weights. The answers come from the engine that kit embeds, packed into the same wheel.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def arguments() -> argparse.Namespace:
    """Read the command line: every flag of the original report, and no other."""
    parser = argparse.ArgumentParser(prog="launch_server.py", allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=30000)
    parser.add_argument("--model-path", required=True)
    parser.add_argument("--served-model-name")
    parser.add_argument("--attention-backend", choices=("ascend",))
    parser.add_argument("--chunked-prefill-size", type=int)
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    parser.add_argument("--device", choices=("npu",))
    parser.add_argument("--trust-remote-code", action="store_true")
    parser.add_argument("--mem-fraction-static", type=float)
    parser.add_argument("--disable-radix-cache", action="store_true")
    parser.add_argument("--max-total-tokens", type=int)
    parser.add_argument("--cpu-weight-path")
    parser.add_argument("--cpuinfer", type=int)
    parser.add_argument("--subpool-count", type=int)
    parser.add_argument("--num-gpu-experts", type=int)
    parser.add_argument("--quantization", choices=("w8a8_int8",))
    parser.add_argument("--enable-defer", action="store_true")
    return parser.parse_args()


def say(line: str) -> None:
    """Print one line of the log."""
    sys.stdout.write(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {line}\n")
    sys.stdout.flush()


def require_cann() -> None:
    """End as an engine does where nobody sourced set_env.sh."""
    for library in ("libhccl.so", "libatb.so"):
        folders = os.environ.get("LD_LIBRARY_PATH", "").split(":")
        if not any(folder and Path(folder, library).is_file() for folder in folders):
            sys.exit(f"ImportError: {library}: cannot open shared object file: No such file or directory")
    for name in ("ASCEND_TOOLKIT_HOME", "ASCEND_OPP_PATH"):
        if not Path(os.environ.get(name, "/nowhere")).is_dir():
            sys.exit(f"RuntimeError: {name} does not name a directory")


def main() -> None:
    """Serve until a signal."""
    options = arguments()
    say(f"ftransformers {importlib.metadata.version('ftransformers')}: a stand-in, the answers come from llama.cpp")
    say(f"HCCL_OP_EXPANSION_MODE={os.environ.get('HCCL_OP_EXPANSION_MODE', 'not set')}")
    require_cann()
    say("Init torch distributed ends.")
    for path in filter(None, (options.model_path, options.cpu_weight_path)):
        if not Path(path).is_dir():
            sys.exit(f"OSError: Incorrect path_or_model_id: '{path}'")
    if not Path(options.model_path, "config.json").is_file():
        sys.exit(f"OSError: {options.model_path} does not appear to have a file named config.json")
    say("Load weight begin.")
    command = [sys.executable, "-m", "ftransformers.engine", "--model", options.model_path]
    command += ["--host", options.host, "--port", str(options.port)]
    command += ["--served-model-name", options.served_model_name or options.model_path, "--ctx-size", "4096"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.terminate())
        for line in server.stdout or ():
            sys.stdout.write(line)
            if "phase: load end" in line:
                say("Load weight end.")
            elif "phase: ready" in line:
                say(f"Uvicorn running on http://{options.host}:{options.port} (Press CTRL+C to quit)")
                say("The server is fired up and ready to roll!")
            sys.stdout.flush()
    sys.exit(server.returncode)


if __name__ == "__main__":
    main()
