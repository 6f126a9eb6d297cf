"""A profile and a baseline that reproduce the test of an old report. What the report does not say is not filled in."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from kit.engines import ENGINES, flags
from kit.errors import Problem
from kit.legacy import cells, lines, software
from kit.legacy.plain import text
from kit.legacy.report import OldReport, scripts_defaults
from kit.loadgens import GENERATORS
from kit.model.table import METRICS
from kit.resources import folder

_MEMORY = r"\s*(?:\(\s*(?P<memory>[0-9]{1,4})\s*(?P<unit>Gi?B?)\s*\))?\s*"
_CARD = re.compile(rf"(?P<name>.{{1,80}}?){_MEMORY}[*x×]\s*(?P<count>[0-9]{{1,3}})", re.IGNORECASE)
_COUNTED = re.compile(rf"(?P<count>[0-9]{{1,3}})\s*[*x×]\s*(?P<name>.{{1,80}}?){_MEMORY}", re.IGNORECASE)
_KINDS = {
    "ascend": "ascend",
    "昇腾": "ascend",
    "nvidia": "nvidia",
    "metax": "metax",
    "沐曦": "metax",
    "iluvatar": "iluvatar",
    "天数": "iluvatar",
    "hygon": "hygon",
    "海光": "hygon",
    "amd": "amd",
}
_ASCEND = re.compile(r"(?<![0-9A-Za-z])(?:910[ABC]|310[BP])[0-9]?(?![0-9A-Za-z])", re.IGNORECASE)
"""Ascend's own names, which reports write without their maker; Huawei's name also stands before servers and CPUs."""
_MAKERS = re.compile(
    r"(?i)^(huawei|华为|ascend|昇腾|nvidia|geforce|metax|沐曦|iluvatar|天数智芯|hygon|海光|amd|instinct)\s*"
)
_SHARED = ("ascend",)
"""Accelerators whose container rights and driver mounts stand in a shared profile that comes with kit."""

COLUMNS = ("avg_latency_s", "output_throughput_tok_s", "avg_ttft_s", "avg_tpot_s", "avg_tps", "per_stream_tok_s")


@dataclass(frozen=True, slots=True)
class Imported:
    """The texts of a profile and its baseline, and what a person must still look at."""

    name: str
    profile: str
    baseline: str
    baseline_name: str
    problems: tuple[Problem, ...]


def imported(found: OldReport) -> Imported:
    """The profile of an old report."""
    return _Writing(found).whole()


class _Writing:
    def __init__(self, found: OldReport) -> None:
        self._found = found
        self._problems = list(found.unread)
        self._server = lines.server(found.start_command) if found.start_command else lines.ServerLine()
        self._load = lines.load(found.load_command)
        self._problems += [Problem(found.start_where, told) for told in self._server.problems]
        self._problems += [Problem(found.load_where, told) for told in self._load.problems]
        self._card = self._accelerator()
        self._ratio = 1
        self._defaults = dict(scripts_defaults(found.script))

    def whole(self) -> Imported:
        name = self._name()
        stamp = "-".join(f"{part:02d}" for part in self._found.day) if self._found.day else "baseline"
        baseline_name = f"baselines/{name}-{stamp}.csv"
        written = [
            "schema: 1",
            f"name: {name}",
            f"description: {text(f'Imported from {self._found.source}')}",
            *self._facts(),
            *([f"extends: shared/{self._card['kind']}"] if self._card.get("kind") in _SHARED else []),
            *self._report(),
            *self._machine(),
            *self._served(),
            *self._sent(),
            *(["acceptance:", f"  baseline: {baseline_name}"] if self._found.rows else []),
        ]
        return Imported(name, "\n".join(written) + "\n", self._baseline(), baseline_name, tuple(self._problems))

    def _miss(self, what: str, where: str = "") -> None:
        self._problems.append(Problem(where or self._found.source, what))

    def _name(self) -> str:
        model = self._served_name() or self._found.model_label or self._found.model or "model"
        card = self._card
        parts = [card["kind"], f"{card['model']}x{card['count']}"] if {"kind", "model", "count"} <= set(card) else []
        plain = re.sub(r"[^a-z0-9._]+", "-", "-".join([*parts, model.rsplit("/", 1)[-1]]).lower()).strip("-._")
        return plain[:80].rstrip("-._") or "imported"

    def _facts(self) -> Iterator[str]:
        """What is said of machine and software, for the reader: the profile has no field for all of it."""
        for name, value in (*self._found.hardware, *self._found.software):
            flat = "".join(character if character.isprintable() else " " for character in f"{name}: {value}")
            yield f"# {flat}"

    def _report(self) -> Iterator[str]:
        found = self._found
        yield "report:"
        for name, value in (
            ("project", found.project),
            ("model", found.model),
            ("model_label", found.model_label),
            ("environment", found.environment_label),
            ("language", found.language),
        ):
            if value is not None:
                yield f"  {name}: {text(value)}"

    # --- the machine ---------------------------------------------------------------------------------------------

    def _accelerator(self) -> dict[str, str]:
        for _, value in self._found.hardware:
            said = cells.plain(value)
            read = _CARD.fullmatch(said) or _COUNTED.fullmatch(said)
            kind = next((kind for word, kind in _KINDS.items() if word in value.lower()), None)
            kind = kind or ("ascend" if _ASCEND.search(said) else None)
            if read is None or kind is None:
                continue
            model = read["name"].strip()
            while (shorter := _MAKERS.sub("", model)) != model:
                model = shorter
            card = {"kind": kind, "model": model, "count": read["count"]}
            if read["memory"] and read["unit"].lower() == "gib":
                card["memory_gib"] = read["memory"]
            elif read["memory"]:
                self._miss(f"the memory of {value!r} is not in GiB and was left out")
            if int(read["count"]) == 0 or not model:
                continue
            return card
        where = "no accelerator was recognised in the hardware table" if self._found.hardware else "no hardware is told"
        self._miss(f"{where}: machine.accelerator was left out")
        return {}

    def _machine(self) -> Iterator[str]:
        said = " ".join(value for _, value in self._found.software)
        architectures = [name for name in ("aarch64", "x86_64") if name in said]
        if not architectures and not self._card:
            return
        yield "machine:"
        if len(architectures) == 1:
            yield f"  architecture: {architectures[0]}"
        if self._card:
            inner = ", ".join(f"{name}: {text(value)}" for name, value in self._card.items())
            yield f"  accelerator: {{{inner}}}"

    # --- the server ----------------------------------------------------------------------------------------------

    def _served_name(self) -> str | None:
        engine = self._server.engine
        own = flags.value(self._server.args, *ENGINES[engine].MODEL_FLAGS[:1]) if engine else None
        return own or self._load.one("model")

    def _served(self) -> Iterator[str]:
        yield "server:"
        engine = self._server.engine
        if engine is None:
            yield from self._running()
            return
        yield f"  engine: {engine}"
        found = software.find(self._found.software, {engine: ENGINES[engine].TITLE})
        version = found[1].version if found is not None else None
        if version is not None:
            yield f"  version: {text(version)}"
        elif found is not None:
            self._miss(f"the version of {ENGINES[engine].TITLE} is not told")
        image = self._image(engine, version)
        if image is not None:
            yield f"  image: {image}"
        else:
            self._miss(f"no image of images/ is for {engine} {version or ''}: server.image must be added")
        if self._server.env:
            yield "  env: {" + ", ".join(f"{name}: {text(value)}" for name, value in self._server.env) + "}"
        port = flags.value(self._server.args, *ENGINES[engine].PORT_FLAGS)
        if port is not None and re.fullmatch("[1-9][0-9]{0,4}", port):
            yield f"  port: {port}"
        else:
            self._miss("the start command names no port: server.port must be added", self._found.start_where)
        yield "  args:"
        for group in self._server.args:
            yield f"    - [{', '.join(map(text, group))}]"

    def _image(self, engine: str, version: str | None) -> str | None:
        """The image of the engine in its version, where the images that come with kit name it."""
        for name in (engine, f"{engine}-{self._card.get('kind')}"):
            if not (folder("images") / name).is_dir():
                continue
            definition = folder("images") / name / "image.toml"
            told = tomllib.loads(definition.read_text("utf-8")) if definition.is_file() else {}
            if not (versions := told.get("versions")):
                return name
            return f"{name}/{version}" if version in versions else None
        return None

    def _running(self) -> Iterator[str]:
        """No start command that kit could use: all that is known is where the load was sent."""
        self._miss("the profile starts no server: it sends load to one that runs")
        yield "  engine: endpoint"
        host, port, model = self._load.one("ip"), self._load.one("port"), self._load.one("model")
        url = self._load.one("url")
        if url is None and host is not None and port is not None:
            url = f"http://{host}:{port}"
        for name, value in (("url", url), ("model", model)):
            if value is not None:
                yield f"  {name}: {text(value.removesuffix('/chat/completions'))}"
            else:
                self._miss(f"server.{name} is not told and must be added")

    # --- the load ------------------------------------------------------------------------------------------------

    def _sent(self) -> Iterator[str]:
        yield "load:"
        found = software.find(self._found.software, {name: entry.TITLE for name, entry in GENERATORS.items()})
        if found is not None:
            generator, said = found
            yield f"  generator: {generator}"
            if said.version is not None:
                yield f"  version: {text(said.version)}"
            yield f"  transport: {'precise' if said.precise else 'evalscope'}"
        else:
            self._miss("the load generator is not one that kit knows: kit's own default is used")
        for field, option in (("rounds", "loop"), ("seed", "seed")):
            value = self._load.one(option) or self._defaults.get(option)
            if value is not None and re.fullmatch(r"[0-9]{1,9}", value):
                yield f"  {field}: {value}"
        timeout = self._load.one("read-timeout") or self._defaults.get("read-timeout")
        if timeout is not None and re.fullmatch(r"[1-9][0-9]{0,6}", timeout):
            yield f"  read_timeout: {timeout}s"
        tokenizer = self._load.one("tokenizer-path")
        if tokenizer is not None:
            yield f"  tokenizer: {text(tokenizer)}"
        else:
            self._miss("load.tokenizer is not told and must be added", self._found.load_where)
        yield from self._per_client()
        yield "  cases:"
        for row in self._found.rows:
            if row.rate is not None or row.shape is not None:
                self._miss(f"{row.name} is no case of clients alone: load.cases must have it added")
        for (given, made), rows in groupby(
            (row for row in self._found.rows if row.rate is None and row.shape is None),
            lambda row: (row.input.label, row.output.label),
        ):
            group = list(rows)
            clients = ", ".join(str(row.concurrency) for row in group)
            sent = [row.requests for row in group]
            other = None not in sent and sent != [row.concurrency * self._ratio for row in group]
            told = f", requests: [{', '.join(map(str, sent))}]" if other else ""
            yield f"    - {{input: {given}, output: {made}, concurrency: [{clients}]{told}}}"
        if not self._found.rows:
            self._miss("there is no table of results: load.cases must be added")
        self._example_fits()

    def _per_client(self) -> Iterator[str]:
        clients, requests = self._load.counts("parallel"), self._load.counts("number")
        for name, values in (("parallel", clients), ("number", requests)):
            if name in self._load.options and not values:
                self._miss(f"--{name} is no list of whole numbers and was left out", self._found.load_where)
        ratios = {sent / count for count, sent in zip(clients, requests, strict=False)}
        if len(clients) != len(requests):
            self._miss(f"--parallel has {len(clients)} values and --number {len(requests)}", self._found.load_where)
        elif len(ratios) == 1 and (ratio := ratios.pop()) == int(ratio) > 1:
            self._ratio = int(ratio)
            yield f"  requests_per_client: {self._ratio}"
        elif ratios and ratios != {1.0}:
            self._miss("--number is no fixed multiple of --parallel", self._found.load_where)

    def _example_fits(self) -> None:
        """The command that a report shows as an example should be one of the cases that it lists."""
        given, made = self._load.counts("input-length"), self._load.counts("output-length")
        pairs = {(row.input.tokens, row.output.tokens) for row in self._found.rows}
        if given and made and pairs and (given[0], made[0]) not in pairs:
            what = f"the load command sends {given[0]} tokens and asks for {made[0]}: no case of the table does"
            self._miss(what, self._found.load_where)

    def _baseline(self) -> str:
        # What the report says of itself goes with its figures: those of stand-ins are no baseline.
        title, mark = (",Draft", f',"{self._found.draft}"') if self._found.draft else ("", "")
        written = [",".join(("input", "output", "concurrency", *COLUMNS)) + title]
        for row in self._found.rows:
            cells = dict(row.cells())
            missing = [name for name in METRICS if name not in cells]
            if missing:
                self._miss(f"{row.name} lacks {', '.join(missing)} and is not in the baseline")
                continue
            figures = (f"{cells[name].value:.10g}" for name in METRICS)
            written.append(",".join((row.input.label, row.output.label, str(row.load), *figures)) + mark)
        return "\n".join(written) + "\n"
