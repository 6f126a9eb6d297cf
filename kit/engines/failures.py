"""Failures that any engine may meet, as their logs tell them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that a log tells: a regular expression for its line, why it happens, and what to do."""

    pattern: str
    cause: str
    remedy: str


COMMON: tuple[Failure, ...] = (
    Failure(
        r"(?i)address already in use|error while attempting to bind",
        "another program took the port while the server was loading",
        "stop that program (ss -ltnp shows it) or change server.port",
    ),
    Failure(
        r"(?i)does not appear to have a file named config\.json|Incorrect path_or_model_id|no such file or directory.*model",
        "the model's directory is not there or not whole",
        "check the path in server.args and that every file of the weights was copied",
    ),
    Failure(
        r"can't start new thread",
        "the container engine forbids clone3 to its programs (Docker before 20.10.10)",
        "update Docker, or set server.docker.security_opt: [seccomp=unconfined]",
    ),
    Failure(
        r"set_mempolicy: Operation not permitted|setting membind: Operation not permitted",
        "the container may not bind memory to NUMA nodes",
        "grant the capability SYS_NICE to the server's container",
    ),
    Failure(
        r"(?i)out of memory.*(host|ram)|cannot allocate memory|bad_alloc|MemoryError",
        "this machine's memory does not hold the model",
        "free memory, or use smaller weights or fewer tokens",
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

ASCEND: tuple[Failure, ...] = (
    Failure(
        r"NPU out of memory|rtsMallocHost execution failed",
        "the NPU's memory does not hold model and cache",
        "lower --mem-fraction-static or --max-total-tokens, or free the cards (npu-smi info)",
    ),
    Failure(
        r"memory capacity is unbalanced|507033|507008|Resource_Busy|device is used\. ret is -8020",
        "another process or container holds one of the NPUs",
        "see npu-smi info for the process, and stop it",
    ),
    Failure(
        r"ASCEND_RT_VISIBLE_DEVICES.*error|input visible devices|107001|207004",
        "the engine asks for an NPU that it cannot see",
        "indexes count the devices visible to this program: correct ASCEND_RT_VISIBLE_DEVICES",
    ),
    Failure(
        r"lost heartbeat|507010|Device_Absent",
        "an NPU has stopped answering",
        "see npu-smi info -t health and the driver's log; a reset or reboot may be needed",
    ),
    Failure(
        r"EI0006|EI0009|specific port\[16666\] fail",
        "the NPUs cannot reach each other through HCCL",
        "check that port 16666 is free and the links are up (hccn_tool)",
    ),
    Failure(
        r"lib(ascend_hal|hccl|atb)\.so: cannot open shared object file",
        "the CANN environment or the driver's libraries are missing",
        "source set_env.sh of CANN and nnal, and mount the driver",
    ),
)
