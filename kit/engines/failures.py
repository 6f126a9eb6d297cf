"""Failures that engines meet, as their logs tell them: why each happens, and what to do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that a log tells: a regular expression for its line, why it happens, and what to do.

    `fatal`: nothing recovers from it, whether the program has ended or still answers.
    """

    pattern: str
    cause: str
    remedy: str
    fatal: bool = False


HOST_MEMORY = Failure(
    r"(?i)rtsMallocHost execution failed|out of memory.*\b(host|ram)\b|cannot allocate memory|bad_alloc|MemoryError"
    r"|DefaultCPUAllocator: can't allocate memory",
    "this machine's memory does not hold the model",
    "free memory, or use smaller weights or fewer tokens; kit doctor compares what is free with the weights",
)

COMMON: tuple[Failure, ...] = (
    Failure(
        r"(?i)address already in use|error while attempting to bind",
        "another program took the port while the server was loading",
        "stop that program (ss -ltnp shows it) or change server.port",
    ),
    Failure(
        r"(?i)does not appear to have a file named config\.json|Incorrect path_or_model_id"
        r"|no such file or directory.*(model|safetensors)|SafetensorError|Error while deserializing header",
        "the model's directory is not there or not whole",
        "kit doctor with the profile names the files that are missing or cut short",
    ),
    Failure(
        r"can't start new thread",
        "the container engine forbids clone3 to its programs (Docker before 20.10.10)",
        "update Docker, or set server.container.security_opt: [seccomp=unconfined]",
    ),
    Failure(
        r"(set_mempolicy|mbind|setting membind): Operation not permitted",
        "the container may not bind memory to NUMA nodes",
        "set server.container.cap_add: [SYS_NICE]",
    ),
    HOST_MEMORY,
    Failure(
        r"ModuleNotFoundError: No module named",
        "a Python package is missing in the engine's environment",
        "build the environment or image again from its lock",
    ),
    Failure(
        r"error while loading shared libraries|cannot open shared object file",
        "a shared library is not found",
        "make sure that the environment of the driver and toolkit (set_env.sh, LD_LIBRARY_PATH) is set",
    ),
    Failure(
        r"(?i)unrecognized arguments|no such option|unknown option|invalid choice",
        "the engine does not know one of the arguments",
        "check server.args against this version of the engine",
    ),
)

GENERIC: tuple[Failure, ...] = (
    Failure(
        r"scheduler died during initialization|Scheduler hit an exception|EngineCore failed to start|EngineDeadError",
        "a process of the engine died, and its log does not say why in words that kit knows",
        "the lines above it in server/server.log tell why",
        fatal=True,
    ),
)
"""Told only where nothing else was found: these follow from another failure."""

ASCEND: tuple[Failure, ...] = (
    Failure(
        r"NPU out of memory",
        "the NPU's memory does not hold model and cache",
        "lower --mem-fraction-static or --max-total-tokens, or free the cards (npu-smi info)",
    ),
    Failure(
        r"memory capacity is unbalanced|507033|507008|Resource_Busy|EL0005|device is used\. ret is -8020",
        "another process or container holds one of the NPUs",
        "kit doctor names the program; a container may hold it unseen (docker ps)",
    ),
    Failure(
        r"ASCEND_RT_VISIBLE_DEVICES.*error|input visible devices|107001|207004",
        "the engine asks for an NPU that it cannot see",
        "indexes count the devices visible to this program: correct ASCEND_RT_VISIBLE_DEVICES or the parallel flags",
    ),
    Failure(
        r"lost heartbeat|507010|Device_Absent|EL0001",
        "an NPU has stopped answering",
        "npu-smi info -t health -i N names its error code; a reset of the card or a reboot may be needed",
        fatal=True,
    ),
    Failure(
        r"\b507018\b|(?i:aicpu exception)",
        "the AI CPU failed: CANN and driver often do not fit each other",
        "compare the versions that kit inventory lists with the vendor's matrix of HDK and CANN",
    ),
    Failure(
        r"\b507001\b|(?i:task exception)",
        "a task on an NPU ended with an exception",
        "see the plog of CANN in ~/ascend/log for the operator; try again before looking for causes in the model",
    ),
    Failure(
        r"specific port\[\d+\] fail|port\[1666\d\].*(fail|in use)",
        "another job on this host uses HCCL's ports",
        "stop that job, or set HCCL_IF_BASE_PORT in server.env",
    ),
    Failure(
        r"EI0006|EI0009|(?i:Getting socket times? ?out)|Transport init error",
        "the NPUs did not reach each other through HCCL in time",
        "look for the process that failed first; HCCL_CONNECT_TIMEOUT (120 s) must cover the time that ranks differ by",
    ),
    Failure(
        r"lib(ascend_hal|hccl|atb|ascendcl)\.so: cannot open shared object file",
        "the CANN environment or the driver's libraries are missing",
        "keep the image's entry point, which sources set_env.sh of CANN and nnal; kit mounts the driver",
    ),
    Failure(
        r"dcmi (module|model) initial\w* failed|ret is -8005",
        "the driver's tool was refused: not the right user, no driver, or the card is held elsewhere",
        "set server.container.user: '0:0', and see npu-smi info on the host",
    ),
)

CUDA: tuple[Failure, ...] = (
    Failure(
        r"CUDA out of memory|torch\.(cuda\.)?OutOfMemoryError",
        "the accelerator's memory does not hold model and cache",
        "lower the share of memory or the tokens that the engine takes, or free the cards (nvidia-smi)",
    ),
    Failure(
        r"CUDA error: (no kernel image|invalid device ordinal|an illegal memory access)|CUDA driver version is insufficient",
        "the GPU, its driver and this build of the engine do not fit each other, or a GPU was asked for that is not there",
        "compare the versions that kit inventory lists with those that the engine's build needs",
    ),
    Failure(
        r"NCCL error|ncclInternalError|ncclSystemError",
        "the GPUs did not reach each other through NCCL",
        "set NCCL_DEBUG=INFO in server.env and read the lines above; containers need server.container.shm_size or ipc: host",
    ),
)
