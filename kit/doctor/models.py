"""Checks of the model's files: weights and tokenizer are there and whole, before the engine spends its time on them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kit import bounded, weights
from kit.doctor.asked import Asked, check
from kit.errors import HostError
from kit.formats import many, size
from kit.instrument import foreign
from kit.model import Check

_SETTINGS = ("tokenizer_config.json", "config.json")
_LARGEST_BYTES = 256 * 1024**2
"""Of a file of a tokenizer, the largest of which have some ten MB."""
_COPY = "copy the model again, or the files named (rsync -a compares sizes)"


def whole(asked: Asked) -> Iterator[Check]:
    """Every directory of weights is there and whole."""
    for where in _directories(asked):
        name = f"weights {where}"
        path = Path(where)
        if not path.exists():
            yield check(name, "fail", "is not on this machine", remedy=_COPY)
        elif path.is_file():
            yield check(name, "ok", size(path.stat().st_size))
        else:
            try:
                found = weights.look(path)
            except OSError as error:
                remedy = _COPY if isinstance(error, bounded.UnfitError) else "let kit's user read it"
                yield check(name, "fail", f"{error.filename or path}: {error.strerror}", remedy=remedy)
                continue
            if found.problems:
                shown = "; ".join(found.problems[:5])
                more = f"; {len(found.problems) - 5} more" if len(found.problems) > 5 else ""
                yield check(name, "fail", shown + more, remedy=_COPY)
            else:
                listed = " of the index" if found.indexed else ""
                yield check(name, "ok", f"{many(found.files, 'file')}{listed}, {size(found.size_bytes)}")
            yield from _digests(asked, path)


def _digests(asked: Asked, path: Path) -> Iterator[Check]:
    """The list that `kit model digest` leaves beside the weights: names always, contents when asked for."""
    name = f"digests {path}"
    if not (path / weights.LIST).is_file():
        if asked.digests:
            remedy = f"kit model digest {path} > {weights.LIST}, where the copy is known to be good"
            yield check(name, "warn", f"there is no {weights.LIST}", remedy=remedy)
        return
    try:
        wrong = tuple(weights.differ(path, contents=asked.digests))
    except HostError as error:
        yield check(name, "fail", error.message, remedy=error.hint)
        return
    if wrong:
        yield check(name, "fail", "; ".join(wrong[:5]), needed=f"as {weights.LIST} says", remedy=_COPY)
    else:
        read = "contents are" if asked.digests else "names are (--digests reads the contents)"
        yield check(name, "ok", f"{read} as {weights.LIST} says")


def _directories(asked: Asked) -> tuple[str, ...]:
    made = asked.plan.model.directory if asked.plan is not None and asked.plan.model is not None else None
    found = (asked.flag("weights"), asked.flag("cpu_weights"))
    # A bare name is one of a hub, which the engine looks up by itself.
    return tuple(
        dict.fromkeys(
            path for path in found if path is not None and path.startswith("/") and not (made and path.startswith(made))
        )
    )


def in_main_memory(asked: Asked) -> tuple[str, int] | None:
    """The weights that the engine keeps in main memory, with their size; None where there are none or none can be read."""
    where = asked.flag("cpu_weights")
    if where is None or not Path(where).is_dir():
        return None
    try:
        return where, weights.look(Path(where)).size_bytes
    except OSError:
        return None


def on_cards(asked: Asked) -> Iterator[Check]:
    """Weights that all go to the cards fit there."""
    where = asked.flag("weights")
    sizes = [device.memory_bytes.value for _, device in asked.devices()]
    known = [one for one in sizes if one is not None]
    if where is None or asked.flag("cpu_weights") is not None or not known or len(known) < len(sizes):
        return
    if not Path(where).is_dir():
        return
    try:
        weight = weights.look(Path(where)).size_bytes
    except OSError:
        return
    yield check(
        "memory of the cards",
        "fail" if weight > sum(known) else "ok",
        f"{size(sum(known))} on {many(len(known), 'card')}",
        needed=f"{size(weight)} of weights",
        remedy="use more cards, or smaller weights" if weight > sum(known) else "",
    )


def tokenizer(asked: Asked) -> Iterator[Check]:
    """The load generator's tokenizer is there, whole, and one of a chat model."""
    plan = asked.plan
    if plan is None or (plan.model is not None and plan.tokenizer.startswith(plan.model.directory)):
        return
    path = Path(plan.tokenizer)
    name, remedy = f"load.tokenizer {path}", "copy the model's tokenizer files there"
    if not path.is_dir():
        yield check(name, "fail", "is not a directory on this machine", remedy=remedy)
    elif not (path / "tokenizer_config.json").is_file():
        yield check(name, "fail", "has no tokenizer_config.json", remedy=remedy)
    elif unfit := list(_unfit(path, (*_SETTINGS, "tokenizer.json"))):
        yield check(name, "fail", "; ".join(unfit), remedy=remedy)
    elif not any((path / file).is_file() for file in ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")):
        yield check(name, "fail", "has no vocabulary (tokenizer.json, tokenizer.model)", remedy=remedy)
    elif not _has_chat_template(path):
        hint = "kit sends chat completions: take the tokenizer of a chat model, with its chat_template"
        yield check(name, "fail", "has no chat template", remedy=hint)
    else:
        yield check(name, "ok", "there, with a chat template")


def tokenizer_code(asked: Asked) -> Iterator[Check]:
    """Code that lies beside the tokenizer runs only where the profile says so: load generators would run it unasked."""
    plan = asked.plan
    if plan is None or plan.trust_remote_code:
        return
    if unfit := list(_unfit(Path(plan.tokenizer), _SETTINGS)):
        yield check(
            f"load.tokenizer {plan.tokenizer}",
            "fail",
            f"cannot be searched for code of its own: {'; '.join(unfit)}",
            remedy="copy the model's tokenizer files there",
        ).model_copy(update={"forcible": False})
        return
    settings, config = (_object(Path(plan.tokenizer) / name) for name in _SETTINGS)
    # The model's own configuration is looked at where the tokenizer does not name its class.
    if "auto_map" in settings or ("tokenizer_class" not in settings and "auto_map" in config):
        yield check(
            f"load.tokenizer {plan.tokenizer}",
            "fail",
            "brings code of its own (auto_map), which the load generator would run",
            needed="load.trust_remote_code: true in the profile",
            remedy="read that code first; or take a tokenizer without",
        ).model_copy(update={"forcible": False})


def _has_chat_template(path: Path) -> bool:
    if any((path / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    return bool(_object(path / "tokenizer_config.json").get("chat_template"))


def _unfit(path: Path, names: Sequence[str]) -> Iterator[str]:
    """Which files of a tokenizer are there, and cannot be read or are no JSON objects."""
    for name in names:
        try:
            _object(path / name)
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}"
        except ValueError:
            yield f"{name} is not whole"


def _object(path: Path) -> dict[str, object]:
    """What a file of JSON says; nothing where there is none. Raises `OSError` and `ValueError`."""
    try:
        found = foreign.loads(bounded.read(path, _LARGEST_BYTES).decode("utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
