"""Trying out, in a real container of the server's image, what its programs may do."""

import json
from pathlib import Path

from kit.doctor.asked import Probe
from kit.errors import KitError
from kit.model import Plan, Program, ServerPlan
from kit.ports import Runtime
from kit.runtimes import notes

_STEP_S = 2.0
LIMIT_S = 120.0
"""Long enough for an emulated image on a busy machine."""

# One line of JSON. A policy of its own for this process is set and taken back; ENOSYS (38) is an emulator, not a refusal.
_SCRIPT = """
import ctypes, json, platform, threading
found = {"threads": True, "numa": None, "cpus": None, "reason": ""}
try:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
except RuntimeError as error:
    found["threads"] = False
number = {"x86_64": 238, "aarch64": 237}.get(platform.machine())
if number is None:
    found["reason"] = platform.machine()
else:
    libc = ctypes.CDLL(None, use_errno=True)
    nodes = ctypes.c_ulong(1)
    if libc.syscall(number, 2, ctypes.byref(nodes), ctypes.c_ulong(64)) == 0:
        found["numa"] = True
    elif ctypes.get_errno() == 1:
        found["numa"] = False
    else:
        found["reason"] = "set_mempolicy: error %d" % ctypes.get_errno()
    libc.syscall(number, 0, None, ctypes.c_ulong(0))
for line in open("/proc/self/status"):
    if line.startswith("Cpus_allowed_list:"):
        found["cpus"] = line.split()[1]
print("kit-probe " + json.dumps(found))
"""


def probe(plan: Plan, server: ServerPlan, runtime: Runtime) -> Probe:
    """What the server's container allows; it gets the same devices, mounts and rights, and no port."""
    made = plan.model.directory if plan.model is not None else None
    program = Program(
        name="probe",
        environment=server.program.environment,
        argv=("python3", "-c", _SCRIPT),
        # A model that kit makes is made later.
        mounts=tuple(mount for mount in server.program.mounts if mount.path != made),
        container=server.program.container,
    )
    lines: list[str] = []
    try:
        with (
            notes.scratch("probe") as scratch,
            runtime.start(
                program,
                directory=Path(scratch),
                log=Path(scratch) / "probe.log",
                secrets={},
                on_line=lines.append,
            ) as running,
        ):
            for _ in range(int(LIMIT_S / _STEP_S)):
                if (ended := running.wait(_STEP_S)) is not None:
                    break
    except KitError as error:
        return Probe(reason=error.message, refused=True, remedy=error.hint)
    told = next((line for line in lines if line.startswith("kit-probe ")), None)
    if told is None:
        said = lines[-1] if lines else "it wrote nothing"
        return Probe(reason=f"the trial ended with {ended}: {said}" if ended else f"no answer in {LIMIT_S:g} s")
    try:
        return Probe(**json.loads(told.removeprefix("kit-probe ")))
    except (ValueError, TypeError):
        return Probe(reason=f"the trial wrote {told.removeprefix('kit-probe ')[:200]}")
