"""Failures that engines meet, as their logs tell them: why each happens, and what to do."""

import re
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


_QUIET = re.compile(
    r"(?:^|[\s\[(|-])(?:INFO|DEBUG|WARNING)(?=[\s\]:|]|$)|\[[IW]\d{3,4} |(?i:\b\w*warning: |\bignor(?:e|ing) )|[Rr]eceived? ?\w*: ?obj="
)
_LOUD = re.compile(r"\b(?:ERROR|CRITICAL|FATAL)\b|(?:[Ee]rror|[Ee]xception)\b")


def tells(line: str) -> bool:
    """Whether a line may tell of a failure: not where it calls itself a warning or less, nor where it repeats a request."""
    quiet, loud = _QUIET.search(line[:200]), _LOUD.search(line)
    return quiet is None or (loud is not None and loud.start() < quiet.start())


def _code(*codes: str) -> str:
    """A pattern for an error's number: other things in a log have numbers too."""
    return rf"(?i:code|result|ret|failed)(?: is)?\W{{1,4}}(?:{'|'.join(codes)})(?!\w)"


HOST_MEMORY = Failure(
    r"(?i)rtsMallocHost execution failed|out of memory.*\b(host|ram)\b|cannot allocate memory(?! in static TLS)|bad_alloc|\bMemoryError"
    r"|DefaultCPUAllocator: can't allocate memory|insufficient memory \(attempted|\bexit ?code\W{1,3}-9\b",
    "this machine's memory does not hold the model",
    "free memory, or use smaller weights or fewer tokens; kit doctor compares what is free with the weights",
)

COMMON: tuple[Failure, ...] = (
    Failure(
        r"(?i)address already in use|error while attempting to bind|couldn't bind HTTP server socket",
        "another program took the port while the server was loading",
        "stop that program (ss -ltnp shows it) or change server.port",
    ),
    Failure(
        r"(?i)does not appear to have a file named config\.json|Incorrect path_or_model_id"
        r"|no such file or directory.*(model|safetensors)|SafetensorError|Error while deserializing header"
        r"|Cannot find any model weights|Repo id must be in the form|couldn't connect to 'https?://\S+' to load",
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
        r"(?i)\bbus error|out of shared memory|no space left on device.*(/shm|psm_)|(/shm|psm_).*no space left on device",
        "the shared memory of the container is too small",
        "set server.container.shm_size, or ipc: host",
    ),
    Failure(
        r"(?i)no space left on device",
        "a disk is full",
        "the line names the file or what wrote it, df -h the disk",
    ),
    Failure(
        r"(?i)exec format error",
        "the program is for another kind of processor than this machine has",
        "kit image list shows each image's platform; qemu-user-static lets a machine run the other one's, many times slower",
    ),
    Failure(
        r"(?i)illegal instruction|\bexit ?code\W{1,3}-4\b",
        "this processor lacks an instruction that the engine was built for, often of AMX or AVX-512",
        "compare the instructions that kit inventory lists with what the engine's build and its method for experts need",
    ),
    Failure(
        r"Model architectures \[.*\] are not supported|does not recognize this architecture|unknown model architecture",
        "this version of the engine does not know the model's architecture",
        "use a version of the engine, and of transformers in its lock, that knows it",
    ),
    Failure(
        r"contains custom code which must be executed",
        "the model brings code of its own, and the engine was not told that it may run it",
        "add --trust-remote-code to server.args if that code is trusted",
    ),
    Failure(
        r"(?:max_model_len|context_length) \(\d+\) is greater than the derived",
        "the context asked for is longer than the model's own",
        "lower the context in server.args; max_position_embeddings in the model's config.json is the model's",
    ),
    Failure(
        r"must be divisible by (?:the )?(?:tensor|tp)|World size \(\d+\) is larger than the number of available",
        "the model or this machine cannot be split over as many accelerators as were asked for",
        "correct the parallel flags: attention heads must be divisible by them, and the devices must be there",
    ),
    Failure(
        r"Unknown quantization method",
        "the engine does not know how these weights are quantised",
        "use weights that this engine and its plugins can read, or correct the flag for quantisation",
    ),
    Failure(
        r"no weight source",
        "the experts' weights are not of the kind that the engine's method for experts reads",
        "convert them for that method, or give the directory that holds the converted ones",
    ),
    Failure(
        r"PermissionError: \[Errno 13\]",
        "the server's user may not use a file or directory",
        "the line names it: change its rights, or set server.container.user",
    ),
    Failure(
        r"undefined symbol|version [`']GLIBC\w*_[\d.]+' not found",
        "libraries in the engine's environment do not fit each other",
        "build the environment or image again from its lock; what is mounted from the host must fit the image",
    ),
    Failure(
        r"cannot allocate memory in static TLS block",
        "a library is loaded too late: it needs room that only programs at their start have",
        "set LD_PRELOAD in server.env to the library that the line names",
    ),
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
        r"Segmentation fault|\b[Ee]xit ?code\W{1,3}-11\b",
        "a process of the engine crashed in compiled code",
        "the lines above it in server/server.log tell where; compare the versions of driver, toolkit and engine first",
    ),
    Failure(
        r"scheduler died during initialization|Scheduler hit an exception|EngineCore failed to start|EngineDeadError"
        r"|Engine core initialization failed",
        "a process of the engine died, and its log does not say why in words that kit knows",
        "the lines above it in server/server.log tell why",
        fatal=True,
    ),
)
"""Told only where nothing else was found: these follow from another failure."""

_NO_ROOM_AFTER_WEIGHTS = Failure(
    r"Not enough memory\. Please try to increase --mem-fraction-static",
    "the weights leave no room for the cache in the accelerators' memory",
    "raise --mem-fraction-static, or free the cards: kit doctor names who holds them",
)

ASCEND: tuple[Failure, ...] = (
    Failure(
        rf"NPU out of memory|EL0004|{_code('207001')}",
        "the NPU's memory does not hold model and cache",
        "lower --mem-fraction-static or --max-total-tokens, or free the cards (npu-smi info)",
    ),
    _NO_ROOM_AFTER_WEIGHTS,
    Failure(
        rf"memory capacity is unbalanced|{_code('507033', '507008')}|Resource_Busy|EL0005|device is used\. ret is -8020",
        "another process or container holds one of the NPUs",
        "kit doctor names the program; a container may hold it unseen (docker ps)",
    ),
    Failure(
        rf"ASCEND_RT_VISIBLE_DEVICES.*error|input visible devices|{_code('107001', '207004')}",
        "the engine asks for an NPU that it cannot see",
        "indexes count the devices visible to this program: correct ASCEND_RT_VISIBLE_DEVICES or the parallel flags",
    ),
    Failure(
        rf"lost heartbeat\.|reason=lost heartbeat|{_code('507010')}|Device_Absent|EL0001",
        "an NPU has stopped answering",
        "npu-smi info -t health -i N names its error code; a reset of the card or a reboot may be needed",
        fatal=True,
    ),
    Failure(
        rf"(?i:multi-?bit ecc)|{_code('507053', '507054')}",
        "the memory of an NPU reports errors",
        "npu-smi info -t ecc -i N counts them; a reset of the card or a reboot may be needed",
    ),
    Failure(
        rf"{_code('507018')}|(?i:aicpu exception)",
        "the AI CPU failed: CANN and driver often do not fit each other",
        "compare the versions that kit inventory lists with the vendor's matrix of HDK and CANN",
    ),
    Failure(
        r"does not support opType|No supported Ops kernel|EZ3003|E40021",
        "CANN has no kernel for an operator on this chip",
        "the kernels of CANN must be of the toolkit's version and for this chip: compare both in kit inventory",
    ),
    Failure(
        r"E90001|unable to import te\b|AclSetCompileopt.*500001",
        "the compiler of CANN for operators does not start",
        "the Python packages that CANN needs must be in the engine's environment, with set_env.sh sourced before it",
    ),
    Failure(
        rf"{_code('507001', '507011', '507014', '507015')}|(?i:task exception|aicore execution (?:is abnormal|times out)|ai(?:core|vec) error)",
        "a task on an NPU ended with an exception",
        "see the plog of CANN in ~/ascend/log for the operator; try again before looking for causes in the model",
    ),
    Failure(
        r"specific port\[\d+\] fail|port\[1666\d\].*(fail|in use)|EJ0003",
        "another job on this host uses HCCL's ports",
        "stop that job, or set HCCL_IF_BASE_PORT in server.env",
    ),
    Failure(
        r"EJ0001|Failed to initialize the HCCP process",
        "HCCL could not start its process on an NPU: often the last job has not ended yet",
        "end what still runs on the cards (npu-smi info), wait ten seconds and start again",
    ),
    Failure(
        r"EI0004|EI0005",
        "the ranks were not told the same: their table or their arguments differ",
        "remove RANK_TABLE_FILE from server.env where one machine is used; all ranks need the same version and arguments",
    ),
    Failure(
        r"EI0012|EI0013|(?i:error cqe)",
        "a link between NPUs failed while data was sent",
        "hccn_tool -i N -link -g and -net_health -g tell of the link",
    ),
    Failure(
        r"EI0006|EI0009|(?i:Getting socket times? ?out)|Transport init error",
        "the NPUs did not reach each other through HCCL in time",
        "look for the process that failed first; HCCL_CONNECT_TIMEOUT (120 s) must cover the time that ranks differ by",
    ),
    Failure(
        rf"EI0002|EE1002|Notify register times out|Watchdog caught collective operation timeout|{_code('507046')}",
        "an NPU waited in vain for another one, or for its own work",
        "look for the process that failed or stopped first; HCCL_EXEC_TIMEOUT is how long they wait",
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
        r"CUDA out of memory|torch\.(cuda\.)?OutOfMemoryError|cudaMalloc failed: out of memory",
        "the accelerator's memory does not hold model and cache",
        "lower the share of memory or the tokens that the engine takes, or free the cards (nvidia-smi)",
    ),
    _NO_ROOM_AFTER_WEIGHTS,
    Failure(
        r"CUDA error: (no kernel image|invalid device ordinal|the provided PTX)|CUDA driver version is insufficient"
        r"|Found no NVIDIA driver|CUDA unknown error|no CUDA-capable device",
        "the GPU, its driver and this build of the engine do not fit each other, or a GPU was asked for that is not there",
        "compare the versions that kit inventory lists with those that the engine's build needs",
    ),
    Failure(
        r"(?i)uncorrectable ECC error|GPU is lost|fallen off the bus",
        "a GPU failed",
        "nvidia-smi and the kernel's log (dmesg | grep -i xid) tell which and why; a reset or a reboot may be needed",
    ),
    Failure(
        r"CUDA error: (an illegal memory access|device-side assert|unspecified launch failure|misaligned address)",
        "a computation on a GPU failed",
        "the lines above it in server/server.log tell which; CUDA_LAUNCH_BLOCKING=1 in server.env tells it exactly",
    ),
    Failure(
        r"NCCL error|ncclInternalError|ncclSystemError",
        "the GPUs did not reach each other through NCCL",
        "set NCCL_DEBUG=INFO in server.env and read the lines above; containers need server.container.shm_size or ipc: host",
    ),
)
