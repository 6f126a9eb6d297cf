"""AMD's newer tool, `amd-smi`: its JSON, whose shape differs from release to release; every value is looked for, none is due."""

import json
from collections.abc import Iterator

from kit.accelerators.device import blank
from kit.model.accelerator import Device, Process
from kit.model.evidence import UNSAID, Evidence, first, stated
from kit.model.fact import Fact

STATIC, METRIC, PROCESS = (f"amd-smi {subject} --json" for subject in ("static", "metric", "process"))
_BYTES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def devices(evidence: Evidence) -> Iterator[Device]:
    """Every GPU that `amd-smi static` lists, with what `metric` and `process` say of it."""
    metrics, processes = _gpus(evidence[METRIC].text or ""), _gpus(evidence[PROCESS].text or "")
    for index, gpu in _gpus(evidence[STATIC].text or "").items():
        metric = metrics.get(index, {})
        facts = blank(STATIC)
        unread = evidence[METRIC].reason or ""
        facts["physical_id"] = Fact(value=index, source=STATIC)
        facts["name"] = stated(_text(gpu, "asic", "market_name"), STATIC)
        facts["series"] = stated(_text(gpu, "asic", "target_graphics_version"), STATIC)
        facts["board"] = stated(_text(gpu, "board", "product_name"), STATIC)
        facts["bus_id"] = stated(_text(gpu, "bus", "bdf"), STATIC)
        facts["memory_bytes"] = first(
            stated(_bytes(gpu, "vram", "size") or None, STATIC),
            stated(_bytes(metric, "mem_usage", "total_vram") or None, METRIC, unread),
        )
        facts["power_limit_w"] = stated(_number(gpu, "limit", "max_power"), STATIC)
        facts["memory_used_bytes"] = stated(_bytes(metric, "mem_usage", "used_vram"), METRIC, unread)
        facts["utilisation_percent"] = stated(_number(metric, "usage", "gfx_activity"), METRIC, unread)
        facts["power_w"] = stated(_either(metric, "power", "socket_power", "average_socket_power"), METRIC, unread)
        facts["temperature_c"] = stated(_either(metric, "temperature", "hotspot", "edge"), METRIC, unread)
        facts["processes"] = _processes(evidence, processes.get(index))
        yield Device(card=index, chip=0, **facts)


def driver(text: str) -> str | None:
    """The driver's version, where all GPUs have one and the same."""
    found = {_text(gpu, "driver", "version") for gpu in _gpus(text).values()}
    return found.pop() if len(found) == 1 else None


def _gpus(text: str) -> dict[int, dict[str, object]]:
    """By their numbers; warnings before the JSON are left out, the list may lie in an object."""
    begin = min((at for at in (text.find("["), text.find("{")) if at >= 0), default=-1)
    try:
        found: object = json.loads(text[begin:]) if begin >= 0 else None
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, dict):
        found = found.get("gpu_data")
    listed = [gpu for gpu in found if isinstance(gpu, dict)] if isinstance(found, list) else []
    return {gpu["gpu"]: gpu for gpu in listed if type(gpu.get("gpu")) is int and 0 <= gpu["gpu"] < 1000}


def _at(found: object, *path: str) -> object:
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _text(gpu: dict[str, object], *path: str) -> str | None:
    found = _at(gpu, *path)
    return found if isinstance(found, str) and found not in UNSAID else None


def _number(gpu: object, *path: str) -> float | None:
    """A number, bare or with its unit: `{"value": 142, "unit": "W"}`."""
    found = _at(gpu, *path)
    value = found.get("value") if isinstance(found, dict) else found
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _either(gpu: object, part: str, *names: str) -> float | None:
    """The first of several numbers that is told: not every release and card has each."""
    return next((value for name in names if (value := _number(gpu, part, name)) is not None), None)


def _bytes(gpu: object, *path: str) -> int | None:
    """A size; without a unit it is none."""
    value, unit = _number(gpu, *path), _at(gpu, *path, "unit")
    return int(value * _BYTES[unit]) if value is not None and isinstance(unit, str) and unit in _BYTES else None


def _processes(evidence: Evidence, gpu: dict[str, object] | None) -> Fact[tuple[Process, ...]]:
    listed = _at(gpu, "process_list")
    if not isinstance(listed, list):
        return Fact(source=PROCESS, reason=evidence[PROCESS].reason or f"{PROCESS} does not say")
    # Where there is none, a sentence stands in the place of the program.
    programs = [entry for entry in (_at(entry, "process_info") for entry in listed) if isinstance(entry, dict)]
    return Fact(
        value=tuple(
            Process(pid=pid, name=_text(program, "name"), memory_bytes=_bytes(program, "memory_usage", "vram_mem"))
            for program in programs
            if isinstance(pid := program.get("pid"), int)
        ),
        source=PROCESS,
    )
