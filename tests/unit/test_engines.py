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
    ("rtMalloc: alloc memory failed, drv ret=6, error code 207001", "NPU's memory"),
    ("[PID: 12] Memory_Allocation_Failure(EL0004): Failed to allocate memory.", "NPU's memory"),
    ("RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.", "no room for the cache"),
    ("[Error]: HBM multi-bit ECC. error code is 507054", "memory of an NPU reports errors"),
    (
        "[rank1]: EI0002: [PID: 29] 2026-02-11-15:09:34.713 The wait execution of the Notify register times out.",
        "in vain",
    ),
    ("EE1002: 2026-02-03-16:50:00.041 Stream synchronize timeout. rtDeviceSynchronize execute failed", "in vain"),
    ("[Rank 1] Watchdog caught collective operation timeout: WorkHCCL(SeqNum=7, OpType=ALLREDUCE", "in vain"),
    ("EJ0003: [PID: 159] Failed to bind the IP port. Reason: The IP address and port have been bound", "HCCL's ports"),
    ("EJ0001: [PID: 10] Failed to initialize the HCCP process. Reason: Maybe the last", "the last job has not ended"),
    ("EI0004: [PID: 1] The ranktable or rank is invalid", "not told the same"),
    (
        "EI0013: [PID: 9] An error CQE occurred during operator execution. Local information: device ID 3",
        "a link between",
    ),
    ("[Error]: The aicore execution times out.", "ended with an exception"),
    ("EZ9999: Get regInfo failed, socVersion [ascend910b] does not support opType [Cast].", "no kernel"),
    ("E90001: unable to import te", "compiler of CANN"),
    ("exec /opt/kit/env/bin/python: exec format error", "another kind of processor"),
    ("Fatal Python error: Illegal instruction", "lacks an instruction"),
    ("[2026-03-02 10:11:12] Exit code: -4", "lacks an instruction"),
    ("[2026-03-02 10:11:12] Exit code: -9", "this machine's memory"),
    ("[2026-03-02 10:11:12] Exit code: -11", "compiled code"),
    ("ImportError: /usr/lib/libgomp.so.1: cannot allocate memory in static TLS block", "loaded too late"),
    ("OSError: [Errno 28] No space left on device: '/dev/shm/psm_41'", "shared memory"),
    ("node:7:9 [0] NCCL WARN Error: failed to extend /dev/shm/nccl-x: No space left on device", "shared memory"),
    ("OSError: [Errno 28] No space left on device: '/home/me/.cache/x'", "a disk is full"),
    ("PermissionError: [Errno 13] Permission denied: '/home/model/M/config.json'", "may not use a file"),
    ("ImportError: /opt/x.so: undefined symbol: _ZN3c1017Register", "do not fit each other"),
    ("ImportError: libc.so.6: version `GLIBC_2.34' not found (required by x.so)", "do not fit each other"),
    ("ValueError: Model architectures ['XForCausalLM'] are not supported for now.", "does not know the model's"),
    ("has model type `x9` but Transformers does not recognize this architecture.", "does not know the model's"),
    ("ValueError: The repository /m contains custom code which must be executed to load it", "code of its own"),
    ("Value error, User-specified max_model_len (65536) is greater than the derived max_model_len", "longer than"),
    ("ValueError: Total number of attention heads (28) must be divisible by tensor parallel size (8).", "split over"),
    ("ValueError: Unknown quantization method: ascend. Must be one of ['fp8'].", "quantised"),
    ("HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/home/m'", "directory"),
    ("ModuleNotFoundError: No module named 'torch_npu'", "package is missing"),
    (
        "terminate called after throwing an instance of 'std::runtime_error'   what():  no weight source",
        "experts' weights",
    ),
    ("RuntimeError: Cannot find any model weights with `/home/model/M`", "model's directory"),
    (
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        "does not say why",
    ),
    ("NPU function error: AclSetCompileopt(ACL_PRECISION_MODE, mode), error code is 500001", "compiler of CANN"),
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
    failures = (*ASCEND, *COMMON, *GENERIC)
    assert [f.pattern for f in failures if not any(re.search(f.pattern, line) for line in shown)] == []
    assert all(failure.cause and failure.remedy for failure in (*ASCEND, *CUDA, *COMMON, *GENERIC))


@pytest.mark.parametrize(
    ("engine", "line", "cause"),
    [
        (
            "vllm-ascend",
            "the models's max seq len (9), KV cache is needed, which is larger than the available KV cache memory (1",
            "hold model",
        ),
        ("sglang", "torch.AcceleratorError: CUDA error: unspecified launch failure", "computation on a GPU failed"),
        ("sglang", "RuntimeError: Found no NVIDIA driver on your system.", "do not fit each other"),
        ("sglang", "RuntimeError: CUDA error: uncorrectable ECC error encountered", "a GPU failed"),
        ("sglang", "DistBackendError: NCCL error in: NCCLUtils.hpp:317, unhandled system error", "through NCCL"),
        ("llamacpp", "allocating 4096.00 MiB on device 0: cudaMalloc failed: out of memory", "accelerator's memory"),
        ("llamacpp", "error loading model: unable to allocate CUDA0 buffer", "memory does not hold"),
        ("llamacpp", "error loading model: mmap failed: Cannot allocate memory", "this machine's memory"),
        ("llamacpp", "error loading model architecture: unknown model architecture: 'x9'", "architecture"),
        ("llamacpp", "srv  start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 8080", "the port"),
        ("llamacpp", "llama_model_load: error loading model: failed to load model from m.gguf", "cut short or no GGUF"),
    ],
)
def test_an_engines_own_failures_are_told_before_those_of_any(engine: str, line: str, cause: str) -> None:
    found = diagnose(engine, [line])
    assert found is not None
    assert cause in found.cause


@pytest.mark.parametrize(
    "line",
    [
        "WARNING 11-29 [_custom_ops.py:20] Failed to import from x with ModuleNotFoundError(\"No module named 'x._C'\")",
        "(Worker_TP1 pid=77) WARNING 03-02 [x.py:1] ImportError('libcudart.so.12: cannot open shared object file')",
        "[2026-03-02 10:11:12] Ignore import error when loading models.x: /opt/x.so: undefined symbol: _ZN3",
        "/opt/python3.11/site-packages/x.py:12: UserWarning: No CUDA-capable device, no CUDA-capable device is detected",
        "mlock: warning: failed to mlock 123-byte buffer (after previously locking 0 bytes): Cannot allocate memory",
        "[2026-03-02 10:11:12] Receive: obj=GenerateReqInfo(text='Why do I read NPU out of memory?')",
        "INFO 03-02 [logger.py:42] Received request cmpl-1: prompt: 'lost heartbeat. Address already in use'",
        "[rank0]:[W326 11:49:12.331714626 compiler_depend.ts:133] Warning: task exception callback is not registered",
        "[2026-03-02 10:11:12 TP0] Prefill batch. #new-seq: 1, #new-token: 507010, token usage: 0.00, input throughput: 507001",
        "worker started with pid=507010, 107001 tokens, device memory 207001",
        "Health check failed. Server couldn't get a response from detokenizer for last 20 seconds.",
    ],
    ids=range(11),
)
def test_what_is_no_failure_is_neither_a_cause_nor_an_end(line: str) -> None:
    for engine in STARTED:
        assert diagnose(engine, [line]) is None
        assert not fatal(engine, line)


def test_an_error_that_speaks_of_a_warning_stays_an_error() -> None:
    found = diagnose("sglang", ["ERROR 03-02 [x.py:9] RuntimeError: NPU out of memory. WARNING: see above"])
    assert found is not None
    assert "NPU's memory" in found.cause


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
