"""What kit knows of engines: their flags, the phases and the failures that their logs tell."""

import re

import pytest

from kit.engines import ENGINES, diagnose, fatal
from kit.engines.failures import ASCEND, COMMON, CUDA, GENERIC

STARTED = [name for name, engine in ENGINES.items() if engine.STARTS]

# One line and the word that its cause must hold; written for these tests in the forms that the engines print.
LINES = [
    (
        "RuntimeError: NPU out of memory. Tried to allocate 310.00 MiB (NPU 1; 61.27 GiB total capacity; …)",
        "NPU's memory",
    ),
    (
        "[2026-03-02 10:11:12:013] torch_npu.memory: [ERROR] [901] NPU out of memory. Tried to allocate 2.00 GiB",
        "NPU's memory",
    ),
    ("torch.OutOfMemoryError: NPU out of memory. Tried to allocate 1.00 GiB (NPU 0; 60.96 GiB total", "NPU's memory"),
    ("rtsMallocHost execution failed, reason=driver error:out of memory", "this machine's memory"),
    (
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried",
        "machine's memory",
    ),
    (
        "ValueError: The memory capacity is unbalanced. Some GPUs may be occupied by other processes.",
        "holds one of the NPUs",
    ),
    ("E19999: init soc version failed, ret = 507008", "holds one of the NPUs"),
    ("NPU function error: c10_npu::SetDevice(device_id_), error code is 507033", "holds one of the NPUs"),
    ("[PID: 12] Resource_Busy(EL0005): The resources are busy.", "holds one of the NPUs"),
    ("dcmi model initialized failed, because the device is used. ret is -8020", "holds one of the NPUs"),
    ("set ASCEND_RT_VISIBLE_DEVICES:[7] error, input data rang[0-2)", "cannot see"),
    ("Set visible device failed, invalid device=3, input visible devices:3", "cannot see"),
    (
        "open device 3 failed, runtime result = 107001.[FUNC:ReportCallError][FILE:log_inner.cpp][LINE:161]",
        "cannot see",
    ),
    ("NPU error, error code is 207004 The device is unavailable", "cannot see"),
    ("Device[1] lost heartbeat.[FUNC:SyncTask][FILE:direct_hwts_engine.cc][LINE:407]", "stopped answering"),
    ("wait for compute device to finish failed, runtime result = 507010.[FUNC:ReportCallError]", "stopped answering"),
    ("[PID: 3] Device_Absent/Abnormal(EL0001): Device not found or invalid.", "stopped answering"),
    ("aclrtSynchronizeStream failed, error code is 507018", "AI CPU"),
    ("The task exception occurred, error code is 507001", "ended with an exception"),
    ("[PID: 7] Get_Socket_Timeout(EI0006): Getting socket times out. Reason: 1. The remote does not", "HCCL in time"),
    ("[PID: 8] Communication_Error_Get_Socket(EI0006): Getting socket times out.", "HCCL in time"),
    ("EI0009: Transport init error. Reason: The local rank is 1", "HCCL in time"),
    ("listen on ip[10.0.0.2] and specific port[16666] fail. Port already in use", "uses HCCL's ports"),
    ("ImportError: libhccl.so: cannot open shared object file: No such file or directory", "CANN environment"),
    ("OSError: libatb.so: cannot open shared object file: No such file or directory", "CANN environment"),
    ("ImportError: libascend_hal.so: cannot open shared object file: No such file or directory", "CANN environment"),
    ("dcmi module initialize failed. ret is -8005", "was refused"),
    (
        "OSError: /home/model/X does not appear to have a file named config.json. Checkout 'https://…'",
        "model's directory",
    ),
    ("OSError: Incorrect path_or_model_id: '/home/model/X'. Please provide either the path", "model's directory"),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: '/home/model/X/model-00001.safetensors'",
        "model's directory",
    ),
    (
        "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8001): address already in use",
        "the port",
    ),
    ("set_mempolicy: Operation not permitted", "bind memory to NUMA nodes"),
    ("setting membind: Operation not permitted", "bind memory to NUMA nodes"),
    ("RuntimeError: can't start new thread", "forbids clone3"),
    ("RuntimeError: Rank 1 scheduler died during initialization (exit code: 1). If", "does not say why"),
    ("[2026-03-02 10:11:12 TP1] Scheduler hit an exception: Traceback (most recent call last):", "does not say why"),
    ("launch_server.py: error: unrecognized arguments: --enable-defer", "does not know one of the arguments"),
]


@pytest.mark.parametrize(("line", "cause"), LINES, ids=range(len(LINES)))
def test_a_failure_is_known_by_its_line_with_a_cause_and_a_remedy(line: str, cause: str) -> None:
    for engine in ("ftransformers", "sglang", "vllm-ascend"):
        found = diagnose(engine, ["INFO starting", line, "INFO leaving"])
        assert found is not None
        assert cause in found.cause
        assert found.remedy


def test_every_failure_has_a_line_that_shows_it() -> None:
    shown = [line for line, _ in LINES]
    unseen = [
        failure.pattern
        for failure in (*ASCEND, *COMMON, *GENERIC)
        if not any(re.search(failure.pattern, line) for line in shown)
    ]
    assert unseen == [
        "ModuleNotFoundError: No module named",
    ]
    assert all(failure.cause and failure.remedy for failure in (*ASCEND, *CUDA, *COMMON, *GENERIC))


def test_what_follows_from_a_failure_is_not_its_cause() -> None:
    log = [
        "set_mempolicy: Operation not permitted",
        "RuntimeError: Rank 0 scheduler died during initialization (exit code: 1)",
    ]
    found = diagnose("sglang", log)
    assert found is not None
    assert "NUMA" in found.cause


def test_a_health_check_without_an_answer_is_no_failure() -> None:
    line = (
        "Health check failed. Server couldn't get a response from detokenizer for last 20 seconds. "
        "tic start time: 05:49:14. last_heartbeat time: 05:42:53"
    )
    assert diagnose("ftransformers", [line]) is None
    assert not fatal("ftransformers", line)


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        ("Device[1] lost heartbeat.[FUNC:SyncTask]", True),
        ("[TP1] Scheduler hit an exception: Traceback (most recent call last):", True),
        ("ERROR: EngineDeadError: EngineCore encountered an issue.", True),
        ("RuntimeError: NPU out of memory. Tried to allocate 310.00 MiB", False),
        ("Getting socket times out", False),
        ('INFO: 127.0.0.1 - "GET /health HTTP/1.1" 503 Service Unavailable', False),
    ],
)
def test_only_what_nothing_recovers_from_ends_a_server_that_still_runs(line: str, ends: bool) -> None:
    assert fatal("sglang", line) is ends


def phases(engine: str, *lines: str) -> list[str]:
    return [name for line in lines for name, pattern in ENGINES[engine].PHASES if re.search(pattern, line)]


def test_the_start_up_of_an_engine_of_sglangs_kind_is_told_phase_by_phase() -> None:
    lines = (
        "[2026-03-02 07:40:49] server_args=ServerArgs(model_path='/m', …)",
        "[2026-03-02 07:40:49 TP0] Init torch distributed begin.",
        "[2026-03-02 07:40:50 TP0] Init torch distributed ends. elapsed=0.61 s, mem usage=0.11 GB",
        "[2026-03-02 07:40:51 TP0] Load weight begin. avail mem=61.12 GB",
        "[2026-03-02 07:54:10 TP0] Load weight end. elapsed=798.32 s, type=DeepseekV3ForCausalLM, avail mem=24.2 GB, mem usage=36.9 GB.",
        "[2026-03-02 07:54:31 TP0] KV Cache is allocated. #tokens: 190000, KV size: 12.44 GB",
        "[2026-03-02 07:54:32 TP0] Capture npu graph begin. This can take up to several minutes. avail mem=10.1 GB",
        "[2026-03-02 07:55:02 TP0] Capture npu graph end. Time elapsed: 30.11 s. mem usage=0.9 GB.",
        "INFO:     Uvicorn running on http://0.0.0.0:8001 (Press CTRL+C to quit)",
        "[2026-03-02 07:55:12] The server is fired up and ready to roll!",
    )
    told = [
        "init begin",
        "init end",
        "load begin",
        "load end",
        "kv cache",
        "capture begin",
        "capture end",
        "listening",
        "ready",
    ]
    assert phases("ftransformers", *lines) == told
    assert phases("sglang", *(line.replace("npu graph", "cuda graph") for line in lines)) == told


def test_the_start_up_of_vllm_is_told_phase_by_phase() -> None:
    assert phases(
        "vllm-ascend",
        "(EngineCore_0 pid=77) INFO 03-02 07:40:51 [model_runner.py:2102] Starting to load model /m...",
        "(EngineCore_0 pid=77) INFO 03-02 07:42:10 [model_runner.py:2150] Loading model weights took 16.4 GB",
        "(EngineCore_0 pid=77) INFO 03-02 07:42:31 [kv_cache_utils.py:829] GPU KV cache size: 402,944 tokens",
        "(EngineCore_0 pid=77) INFO 03-02 07:43:02 [model_runner.py:2600] Graph capturing finished in 28 secs, took 0.21 GiB",
        "INFO:     Application startup complete.",
    ) == ["load begin", "load end", "kv cache", "capture graph", "ready"]


@pytest.mark.parametrize("name", STARTED)
def test_an_engine_is_ready_by_its_health_and_never_by_its_list_of_models(name: str) -> None:
    assert ENGINES[name].HEALTH_PATH == "/health"


@pytest.mark.parametrize("name", STARTED)
def test_no_flag_has_two_meanings(name: str) -> None:
    engine = ENGINES[name]
    spelled = [
        flag
        for meaning in engine.FLAGS.__slots__
        if isinstance(value := getattr(engine.FLAGS, meaning), tuple)
        for flag in value
    ]
    assert len(spelled) == len(set(spelled))
    assert not set(spelled) & set(engine.PORT_FLAGS)
