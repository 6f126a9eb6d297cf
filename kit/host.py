"""The door to this machine: short commands, files, clocks."""

import os
import socket
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from kit.ports import Output, ToolMissing, ToolTimeout


class LocalHost:
    """The machine that kit runs on."""

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Output:
        # English output whatever the user's language, since it is parsed.
        env = {**os.environ, "LC_ALL": "C", "LANG": "C"}
        try:
            done = subprocess.run(
                list(argv),
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=timeout_s,
                env=env,
                check=False,
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise ToolMissing(f"{argv[0]}: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise ToolTimeout(f"{argv[0]} gave no answer in {timeout_s:g} s") from error
        return Output(
            tuple(argv), done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )

    def read(self, path: str) -> str:
        return Path(path).read_text(encoding="utf-8", errors="replace")

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def port_is_free(self, port: int) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As servers do: a port in TIME_WAIT can be taken, one with a listener cannot.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
        return True
