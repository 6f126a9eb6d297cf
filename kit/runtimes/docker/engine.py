"""The one place that speaks with a Docker engine: the SDK's calls, and its errors in kit's words."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container as SdkContainer

from kit.errors import EnvironmentUnavailableError
from kit.model import Program
from kit.runtimes import notes
from kit.runtimes.docker.causes import check_platform, translated
from kit.runtimes.docker.container import AWAY, Absences, Container, close
from kit.runtimes.docker.creating import create, remove_network, remove_unheld
from kit.runtimes.docker.options import Options

OWNER = "kit.owner"
API = "1.39"
"""The API of Docker 18.09, which openEuler 22.03 ships: nothing newer is used."""
CALL_S = 60
LONG_S = 3600


class Engine:
    """A connection to the engine that `DOCKER_HOST` names, else the local socket. Opened when first needed."""

    def __init__(self) -> None:
        self._opened: docker.DockerClient | None = None
        self._absences = Absences()

    @property
    def _client(self) -> docker.DockerClient:
        if self._opened is None:
            self._opened = _connect()
        return self._opened

    def close(self) -> None:
        """Close the connection; it is opened again when needed."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def api(self) -> str:
        """The version of the API that is spoken."""
        return str(self._client.api.api_version)

    def image_id(self, reference: str, platform: str | None = None, hint: str = "kit image list shows them") -> str:
        """The id of an image that this engine has. Raises `EnvironmentUnavailableError` where it has none, or one for
        another platform than is asked for."""
        try:
            image = self._client.images.get(reference)
            if platform is not None:
                check_platform(reference, image.attrs, platform)
        except ImageNotFound as error:
            msg = f"there is no image {reference} on this machine"
            raise EnvironmentUnavailableError(msg, hint=hint) from error
        except (DockerException, *AWAY) as error:
            raise translated(error, f"image {reference}") from error
        return str(image.id)

    def platform(self) -> str:
        """The platform that this engine runs without emulation."""
        try:
            found = self._client.version()
        except (DockerException, *AWAY) as error:
            raise translated(error, "container engine") from error
        return f"{found['Os']}/{found['Arch']}"

    @contextmanager
    def patiently(self, what: str) -> Iterator[docker.DockerClient]:
        """The SDK itself, for the long steps that images take, some of which say nothing for minutes; errors in kit's words."""
        api = self._client.api
        api.timeout, before = LONG_S, api.timeout
        try:
            yield self._client
        except (DockerException, *AWAY) as error:
            raise translated(error, what) from error
        finally:
            api.timeout = before

    def label(self, reference: str, name: str) -> str | None:
        """The value of a label of an image."""
        try:
            return self._client.images.get(reference).labels.get(name)
        except (DockerException, *AWAY) as error:
            raise translated(error, f"image {reference}") from error

    def _is_podman(self) -> bool:
        parts = self._client.version().get("Components") or ()
        return any("podman" in str(part.get("Name")).lower() for part in parts)

    @contextmanager
    def network(self, labels: dict[str, str]) -> Iterator[str]:
        """A private bridge network, by name; removed on leaving."""
        name = f"kit-{labels[OWNER].replace('.', '-')}"
        client = self._client
        note = notes.take(notes.DOCKER)
        try:
            network = client.networks.create(name, driver="bridge", labels=labels)
        except (DockerException, *AWAY) as error:
            if not isinstance(error, AWAY):
                note.drop()
            raise translated(error, f"network {name}") from error
        except BaseException:
            # An interrupt may come when the engine has made it, and before anybody holds it.
            if _removed(lambda: remove_network(client, name)):
                note.drop()
            raise
        try:
            yield name
        finally:
            if _removed(network.remove):
                note.drop()

    @contextmanager
    def container(self, program: Program, options: Options) -> Iterator[Container]:
        """A started container; removed on leaving, whatever happened."""
        client = self._client
        note = notes.take(notes.DOCKER)
        try:
            if self._is_podman():
                _require_paths(program.name, options)
            # Create, then start inside try: a container whose start fails would stay behind otherwise.
            created = create(client, options)
        except (DockerException, *AWAY) as error:
            if not isinstance(error, AWAY):
                note.drop()
            raise translated(error, program.name) from error
        except BaseException:
            if _removed(lambda: remove_unheld(client, f"{OWNER}={dict(options.labels)[OWNER]}")):
                note.drop()
            raise
        with ExitStack() as stack:
            stack.callback(_remove, created, note)
            try:
                # Attached before the start: following the log of a program that ends at once may miss what it wrote.
                output = created.attach(stdout=True, stderr=True, stream=True, logs=True)
                stack.callback(close, output)
                created.start()
            except (DockerException, *AWAY) as error:
                raise translated(error, program.name) from error
            yield Container(created, program.name, output, self._absences)

    def remove_orphans(self, owner_alive: Callable[[str], bool]) -> tuple[str, ...]:
        """Remove containers and networks whose kit is no longer alive, and only those."""
        told: list[str] = []
        wanted: dict[str, str | list[str] | bool] = {"label": OWNER}
        try:
            for container in self._client.containers.list(all=True, filters=wanted, ignore_removed=True):
                if not owner_alive(container.labels.get(OWNER, "")):
                    with suppress(NotFound):
                        container.remove(force=True, v=True)
                    told.append(f"container {container.name}")
            for network in self._client.networks.list(filters=wanted):
                labels = (network.attrs or {}).get("Labels") or {}
                if not owner_alive(labels.get(OWNER, "")):
                    with suppress(NotFound):
                        network.remove()
                    told.append(f"network {network.name}")
        except (DockerException, *AWAY) as error:
            raise translated(error, "leftovers") from error
        return tuple(told)


def _remove(container: SdkContainer, note: notes.Note) -> None:
    if _removed(lambda: container.remove(force=True, v=True)):
        note.drop()


def _removed(remove: Callable[[], object]) -> bool:
    """Remove something; false where the engine cannot be asked now, so that the next command does it."""
    try:
        remove()
    except NotFound:
        return True
    except (APIError, *AWAY):
        return False
    return True


def _connect() -> docker.DockerClient:
    try:
        with closing(docker.from_env(version="auto", timeout=CALL_S)) as asking:
            least = asking.version().get("MinAPIVersion", API)
        # The newest engines no longer speak the old API; what kit uses of theirs is the same.
        spoken = API if _number(least) <= _number(API) else least
        return docker.from_env(version=spoken, timeout=CALL_S)
    except (DockerException, *AWAY) as error:
        raise translated(error, "container engine") from error


def _require_paths(name: str, options: Options) -> None:
    """Podman makes an empty directory where a mount's source is missing; Docker refuses, and sees more than kit may see."""
    if missing := [source for source, _, _ in options.mounts if not os.path.exists(source)]:
        raise translated(DockerException(f"bind source path does not exist: {', '.join(missing)}"), name)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
