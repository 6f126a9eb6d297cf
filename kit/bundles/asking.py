"""What a profile from elsewhere asks of this machine beyond the least: shown, and granted only where somebody says so."""

import posixpath
import re
from collections.abc import Iterator

from kit.errors import Problem
from kit.model import Mount, Profile
from kit.model.bundle import Manifest

_SYSTEM = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/var"),
    *("/home", "/mnt", "/media", "/opt", "/srv", "/tmp", "/data"),
)
"""Mounted whole, these give a program far more than a model."""
_NEVER_BELOW = ("/boot", "/dev", "/etc", "/proc", "/root", "/run", "/sys", "/var/lib", "/var/run")
_PRIVATE = re.compile(r"/\.(ssh|gnupg|aws|kube|docker|config|netrc|cache)(/|$)")
_LOADS_CODE = re.compile(r"LD_.*|PYTHON.*|PATH|BASH_ENV|ENV|GCONV_PATH|NODE_OPTIONS|PERL5.*|RUBY.*")
_LOOPBACK = re.compile(r"https?://(127\.[0-9.]+|localhost|\[::1\])(:[0-9]+)?(/.*)?")


def of(profile: Profile) -> tuple[Problem, ...]:
    """Everything that needs a person's word, each with its field."""
    return tuple(_of(profile))


def _of(profile: Profile) -> Iterator[Problem]:
    server = profile.server
    for mount in server.mounts:
        if found := _mounted(mount):
            yield Problem("server.mounts", found)
    given = server.container
    if given.privileged:
        yield Problem("server.container.privileged", "the container may do to this machine whatever root may")
    for field, asked, told in (
        ("network", given.network == "host", "the container is in the network of this machine"),
        ("ipc", given.ipc == "host", "the container shares memory with every program of this machine"),
        ("user", given.user is not None, f"the container runs as {given.user}"),
        ("runtime", given.runtime is not None, f"the container is started by {given.runtime}"),
    ):
        if asked:
            yield Problem(f"server.container.{field}", told)
    for device in given.devices:
        yield Problem("server.container.devices", f"{device}: a device of this machine")
    for capability in given.cap_add:
        yield Problem("server.container.cap_add", f"{capability}: a power of root")
    for option in given.security_opt:
        yield Problem("server.container.security_opt", f"{option}: protection is changed")
    for name, value in server.env:
        if _LOADS_CODE.fullmatch(name.upper()):
            yield Problem("server.env", f"{name}={value}: decides which code is loaded")
    for group in server.args:
        for word in group:
            if "trust-remote-code" in word.replace("_", "-"):
                yield Problem("server.args", f"{word}: code that lies beside the weights is run")
    if server.url is not None and not _LOOPBACK.fullmatch(server.url):
        yield Problem("server.url", f"{server.url}: requests are sent to another machine")
    if server.api_key is not None:
        where = server.api_key.env or server.api_key.file
        yield Problem("server.api_key", f"the secret in {where} is read and sent to {server.url}")


def _mounted(mount: Mount) -> str | None:
    path = "/" + posixpath.normpath(mount.path).lstrip("/")
    if path in ("/", *_SYSTEM) or path.startswith(tuple(f"{one}/" for one in _NEVER_BELOW)) or _PRIVATE.search(path):
        return f"{mount.path}: a directory of this machine that is none of a model"
    return f"{mount.path}: can be written to" if mount.writable else None


def brought(manifest: Manifest) -> Iterator[Problem]:
    """Code among the data of a bundle: load generators run what lies beside a tokenizer."""
    for member in manifest.of("tokenizer"):
        if member.name.endswith((".py", ".so", ".pyc", ".pkl", ".bin", ".pt")):
            yield Problem(member.name, "code that may be run when the tokenizer is loaded")
