"""A container as the SDK is asked to make it, and the removal of one that nobody took hold of."""

import docker
from docker.models.containers import Container as SdkContainer
from docker.types import LogConfig, Mount, Ulimit

from kit.runtimes.docker.options import Options

_LOG = {"max-size": "50m", "max-file": "3"}
"""kit keeps the whole output itself; what the engine keeps of it is bounded."""


def create(client: docker.DockerClient, options: Options) -> SdkContainer:
    return client.containers.create(
        options.image,
        list(options.command),
        environment=dict(options.environment),
        # The proxies of ~/.docker/config.json are of this user, with their passwords: none that nobody asked for goes inside.
        use_config_proxy=False,
        labels=dict(options.labels),
        working_dir=options.working_dir,
        user=options.user,
        network_mode=options.network_mode,
        # Mounts rather than binds: the engine refuses a source that does not exist instead of making an empty directory.
        mounts=[Mount(target, source, type="bind", read_only=ro) for source, target, ro in options.mounts],
        ports={f"{options.published}/tcp": ("127.0.0.1", options.published)} if options.published else None,
        devices=list(options.devices),
        runtime=options.runtime,
        privileged=options.privileged,
        cap_drop=list(options.cap_drop),
        cap_add=list(options.cap_add),
        security_opt=list(options.security_opt),
        ulimits=[Ulimit(name=name, soft=limit, hard=limit) for name, limit in options.ulimits],
        ipc_mode=options.ipc_mode,
        shm_size=options.shm_size,
        mem_limit=options.memory,
        nano_cpus=options.nano_cpus,
        cpuset_cpus=options.cpuset,
        pids_limit=options.pids_limit,
        init=options.init,
        read_only=options.read_only,
        tmpfs={"/tmp": ""} if options.read_only else {},
        log_config=LogConfig(type=LogConfig.types.JSON, config=_LOG),
    )


def remove_unheld(client: docker.DockerClient, label: str) -> None:
    """Remove what was made and never started: of such there is one at a time, and by its label it is found."""
    wanted: dict[str, str | list[str] | bool] = {"label": label, "status": "created"}
    for container in client.containers.list(all=True, filters=wanted, ignore_removed=True):
        container.remove(force=True, v=True)


def remove_network(client: docker.DockerClient, name: str) -> None:
    """Remove a network by its name, where there is one."""
    for network in client.networks.list(names=[name]):
        network.remove()
