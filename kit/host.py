"""The door to this machine: short commands, files, clocks."""

import errno
import os
import selectors
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from kit.ports import Output, ToolMissing, ToolTimeout
from kit.traffic import Traffic

_MOST_BYTES = 64 << 20
"""No command that kit asks says as much."""


class LocalHost:
    """The machine that kit runs on."""

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Output:
        # English output whatever the user's language, since it is parsed.
        env = {**os.environ, "LC_ALL": "C", "LANG": "C"}
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise ToolMissing(f"{argv[0]}: {error.strerror}") from error
        try:
            out, err = _written(process, time.monotonic() + timeout_s)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise ToolTimeout(f"{argv[0]} gave no answer in {timeout_s:g} s") from error
        except BufferError as error:
            _end(process)
            raise ToolTimeout(f"{argv[0]} wrote more than {_MOST_BYTES >> 20} MiB, and was stopped") from error
        except BaseException:
            _end(process)
            raise
        return Output(tuple(argv), process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

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

    def connections(self, port: int, process: int | None) -> Traffic:
        return Traffic(port, process)

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def names(self, directory: str) -> tuple[str, ...]:
        try:
            return tuple(os.listdir(directory))
        except OSError:
            return ()

    @contextmanager
    def hold(self) -> Iterator[str | None]:
        # A name that the kernel keeps for as long as its owner lives: no file stays behind, and no user is in another's way.
        name = "\0" + os.environ.get("KIT_LOCK", "kit-run")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            try:
                door.bind(name)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                yield _holder(name)
            else:
                door.listen(8)
                yield None


def _written(process: subprocess.Popen[bytes], until_s: float) -> tuple[bytes, bytes]:
    """What a command writes until its end. Raises `TimeoutExpired`, or `BufferError` where it writes without end."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ, out)
        ready.register(process.stderr, selectors.EVENT_READ, err)
        while ready.get_map():
            if (left_s := until_s - time.monotonic()) <= 0:
                raise subprocess.TimeoutExpired(process.args, 0)
            for key, _ in ready.select(left_s):
                if data := os.read(key.fd, 65536):
                    key.data.extend(data)
                else:
                    ready.unregister(key.fileobj)
            if len(out) + len(err) > _MOST_BYTES:
                raise BufferError
    process.wait(max(0.0, until_s - time.monotonic()))
    process.stdout.close()
    process.stderr.close()
    return bytes(out), bytes(err)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command with all that it started. One that hangs in a driver cannot be ended: it is left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _holder(name: str) -> str:
    """Who has the name, as the kernel tells whoever connects."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.settimeout(1.0)
            asking.connect(name)
            peer = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return "another run of kit is ending"
    pid, uid, _ = struct.unpack("3i", peer)
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        words = []
    command = " ".join(os.path.basename(word) if at < 2 else word for at, word in enumerate(words)).strip()
    return f"another run of kit: pid {pid}, user {uid}" + (f", {command[:200]}" if command else "")
