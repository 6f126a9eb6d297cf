"""The rules of the design that a machine can check."""

import ast
import re
import socket
import subprocess
import tomllib
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import pytest

from kit import errors, renderers
from kit.engines import ENGINES
from kit.loadgens import GENERATORS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "kit"
LONGEST = 300

# From the ground up. A module imports from rows below its own, and within its row only where the row is one package.
LAYERS: tuple[tuple[str, ...], ...] = (
    # words
    ("kit",),
    ("kit.controls", "kit.errors", "kit.resources", "kit.streams"),
    ("kit.signals",),
    ("kit.model",),
    ("kit.ports", "kit.events"),
    ("kit.proxies",),
    # what words look like to a person, and what must not be seen
    ("kit.bounded", "kit.owners", "kit.spellings"),
    ("kit.databases", "kit.looks"),
    ("kit.formats", "kit.commands", "kit.redaction", "kit.durable"),
    ("kit.texts",),
    # doors
    ("kit.traffic",),
    ("kit.instrument",),
    ("kit.host", "kit.endpoint"),
    ("kit.packed",),
    ("kit.runtimes",),
    # variants
    ("kit.accelerators",),
    ("kit.engines",),
    ("kit.loadgens",),
    # steps
    (
        "kit.addresses",
        "kit.beside",
        "kit.caveats",
        "kit.certificates",
        "kit.clocks",
        "kit.documents",
        "kit.flow",
        "kit.intervals",
        "kit.library",
        "kit.office",
        "kit.weights",
    ),
    ("kit.secrecy",),
    ("kit.agreement", "kit.fields"),
    ("kit.profile", "kit.inventory", "kit.plan", "kit.store", "kit.stats", "kit.estimate"),
    ("kit.behaviour", "kit.searches", "kit.servertimes"),
    ("kit.rounds",),
    ("kit.legacy",),
    # judgements
    ("kit.acceptance", "kit.audit", "kit.images"),
    ("kit.recount", "kit.calibration", "kit.trials"),
    ("kit.comparing",),
    ("kit.index",),
    ("kit.trend",),
    ("kit.report",),
    ("kit.bundles", "kit.signing"),
    ("kit.doctor", "kit.telemetry"),
    ("kit.running",),
    # faces
    ("kit.renderers",),
    ("kit.workflows",),
    ("kit.cli",),
    ("kit.__main__",),
)

# Named by the design, and not built yet.
TO_COME = frozenset({"kit.accelerators", "kit.images"})

# Which modules may import a library. `subprocess` also stands for starting programs in any other way.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "docker": ("kit.runtimes.docker",),
    "httpx": ("kit.endpoint",),
    "cyclonedx": ("kit.images.sbom",),
    "cryptography": ("kit.certificates", "kit.signing.keys", "kit.signing.stamping"),
    "rfc3161_client": ("kit.signing.stamping",),
    "securesystemslib": ("kit.signing.keys", "kit.signing.attesting", "kit.signing.signatures"),
    "subprocess": ("kit.host", "kit.runtimes", "kit.instrument.sender", "kit.instrument.trial"),
    "socket": ("kit.host", "kit.traffic", "kit.instrument"),
    "pandas": ("kit.renderers",),
    "openpyxl": ("kit.renderers", "kit.legacy"),
    "jinja2": ("kit.renderers",),
    "docx": ("kit.renderers", "kit.office", "kit.legacy"),
    "PIL": ("kit.renderers",),
    "sqlite3": ("kit.databases", "kit.images.rpm", "kit.loadgens"),
    "sqlalchemy": ("kit.index",),
    "psycopg": (),
    "pickle": ("kit.loadgens",),
    "yaml": ("kit.documents", "kit.profile"),
    "typer": ("kit.cli",),
    "rich": ("kit.cli",),
    "evalscope": ("kit.instrument",),
    "requests": ("kit.runtimes.docker",),
    "numpy": ("kit.intervals",),
    "scipy": ("kit.intervals", "kit.rounds"),
    "multiprocessing": (),
    "asyncio": (
        "kit.endpoint",
        "kit.instrument",
    ),
    "aiohttp": ("kit.instrument",),
    "transformers": ("kit.instrument",),
    "ctypes": (
        "kit.traffic",
        "kit.instrument",
    ),
}

EXIT_CODES = {
    "KitError": 1,
    "UsageError": 2,
    "ProfileError": 2,
    "HostError": 3,
    "EnvironmentUnavailableError": 3,
    "IncompleteError": 4,
    "NotComparableError": 5,
    "VerificationError": 6,
    "NotAcceptedError": 7,
    "InterruptedRunError": 130,
}


@cache
def modules() -> dict[str, Path]:
    """Every module of kit by its dotted name."""
    found: dict[str, Path] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def parsed(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text("utf-8"), str(modules()[module]))


def imports(module: str) -> Iterator[tuple[str, int]]:
    """What a module imports, wherever in it: dotted names with their line."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively in line {node.lineno}"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner if inner in modules() else str(node.module)), node.lineno


def inside(module: str, package: str) -> bool:
    return module == package or (module.startswith(f"{package}.") and package != "kit")


def row(module: str) -> tuple[int, str]:
    """The layer of a module, counted from the ground, and the entry that names it."""
    named = [(number, entry) for number, layer in enumerate(LAYERS) for entry in layer if inside(module, entry)]
    assert named, f"{module} stands in no layer: give it its place in LAYERS"
    return max(named, key=lambda found: len(found[1]))


@pytest.mark.parametrize("module", modules())
def test_imports_point_down(module: str) -> None:
    layer, entry = row(module)
    wrong = []
    for name, line in imports(module):
        if name.split(".")[0] != "kit":
            continue
        below, other = row(name)
        if not (below < layer or other == entry):
            wrong.append(f"line {line}: {name} (layer {below}) from layer {layer}")
    assert not wrong


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_has_one_door(library: str) -> None:
    allowed = LIBRARIES[library]
    users = [
        f"{module} line {line}"
        for module in modules()
        for name, line in imports(module)
        if name.split(".")[0] == library and not any(inside(module, door) for door in allowed)
    ]
    assert not users


def test_the_packages_that_the_project_stands_on_are_declared() -> None:
    """Fixed by those whom kit is made for; whatever else is needed may come and go."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {re.split(r"[^a-z0-9]", line)[0] for line in project["dependencies"]}
    declared |= set(project["optional-dependencies"])
    assert declared >= {"docker", "typer", "evalscope", "jinja2", "pandas", "pydantic"}


def test_every_layer_names_modules_that_exist() -> None:
    missing = {entry for layer in LAYERS for entry in layer if entry not in modules()}
    assert missing <= TO_COME


def test_modules_are_short() -> None:
    lines = {module: len(path.read_text("utf-8").splitlines()) for module, path in modules().items()}
    assert {module: count for module, count in lines.items() if count >= LONGEST} == {}


def test_modules_say_what_they_own() -> None:
    silent = [module for module in modules() if not ast.get_docstring(parsed(module)) and module != "kit.__main__"]
    assert not silent


def variants(package: str, sign: str) -> set[str]:
    """The modules of a package that describe a variant: they define `sign` at their top."""
    return {
        name
        for name in modules()
        if name.startswith(f"{package}.")
        and any(
            isinstance(node, ast.Assign | ast.AnnAssign)
            and any(isinstance(part, ast.Name) and part.id == sign for part in ast.walk(node))
            for node in parsed(name).body
        )
    }


def test_every_engine_is_in_its_table() -> None:
    assert variants("kit.engines", "HEALTH_PATH") == {vars(engine)["__name__"] for engine in ENGINES.values()}


def test_every_load_generator_is_in_its_table() -> None:
    assert variants("kit.loadgens", "KEY_VARIABLE") == {vars(found)["__name__"] for found in GENERATORS.values()}


def test_every_report_format_is_in_its_table() -> None:
    renders = {
        name
        for name in modules()
        if name.startswith("kit.renderers.")
        and any(isinstance(node, ast.FunctionDef) and node.name == "render" for node in parsed(name).body)
    }
    assert renders == {module for module, _ in renderers.RENDERERS.values()}


def test_engine_names_are_those_of_their_modules() -> None:
    assert {
        name.replace("-", "_"): vars(engine)["__name__"].rpartition(".")[2] for name, engine in ENGINES.items()
    } == {name.replace("-", "_"): name.replace("-", "_") for name in ENGINES}


def test_every_error_has_its_exit_code() -> None:
    found = {
        name: value.exit_code
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.KitError)
    }
    assert found == EXIT_CODES


def test_one_branch_of_errors_has_one_exit_code() -> None:
    direct = [error.exit_code for error in errors.KitError.__subclasses__()]
    assert len(direct) == len(set(direct))


def used(module: str, wanted: Collection[str]) -> list[str]:
    """Where a module uses one of these names: `print`, `sys.exit`. A field of that name in a record is none."""
    return [
        f"{module} line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load) and ast.unparse(node) in wanted
    ]


def test_nothing_below_the_command_line_prints_or_exits() -> None:
    wanted = ("print", "exit", "quit", "breakpoint", "SystemExit", "sys.exit", "os._exit", "os.abort")
    streams = ("sys.stdout", "sys.stderr", "sys.stdin")
    below = [module for module in modules() if not inside(module, "kit.cli") and module != "kit.__main__"]
    # Where a process that was forked ends, it must not do what its parent does at its own end.
    forked = {"kit.instrument.sharing": "os._exit"}
    assert not [
        found
        for module in below
        for found in used(module, [name for name in (*wanted, *streams) if name != forked.get(module)])
    ]


def test_all_that_is_printed_goes_one_way() -> None:
    """There it loses what would act on a terminal."""
    wanted = ("print", "typer.echo", "click.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write", "Console")
    ways = ("kit.cli.terminal", "kit.cli.output")
    assert not [found for module in modules() if module not in ways for found in used(module, wanted)]


def test_a_temporary_folder_is_one_that_the_next_command_finds_after_a_kill() -> None:
    wanted = ("tempfile.TemporaryDirectory", "tempfile.mkdtemp", "TemporaryDirectory", "mkdtemp")
    assert not [found for module in modules() if module != "kit.runtimes.notes" for found in used(module, wanted)]


def test_a_file_that_may_come_from_elsewhere_is_read_as_far_as_it_may_reach() -> None:
    """With `kit.bounded`. Whoever reads whole files without it reads what is kit's own."""
    own = (
        "kit.host",  # what the kernel tells
        "kit.owners",  # the same
        "kit.runtimes",  # locks, environments that kit made, and what the kernel tells
        "kit.images",  # locks, definitions and records
        "kit.legacy.profiles",  # definitions of images
        "kit.packed",  # kit's own programs
        "kit.instrument",  # what this round's own processes hand to each other
        "kit.workflows.calibrating",  # the record of a server that kit just ran
        "kit.workflows.perf",  # the logs of a run that kit just made
        "kit.renderers.pdf",  # the page that was just made
    )
    readers = {
        module
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Attribute) and node.attr in ("read_text", "read_bytes")
    }
    assert {module for module in readers if not any(inside(module, one) for one in own)} == set()
    assert {one for one in own if not any(inside(module, one) for module in readers)} == set()


def test_only_the_doors_and_the_command_line_read_clock_and_environment() -> None:
    """A plan is executed as it stands: no variable, no clock and no random number decides anything above the doors."""
    wanted = ("os.environ", "os.getenv", "time.time", "time.monotonic", "datetime.now", "datetime.utcnow", "time.sleep")
    above = [
        module for module in modules() if row(module)[0] >= row("kit.engines")[0] and not inside(module, "kit.cli")
    ]
    assert not [found for module in above for found in used(module, wanted)]


def test_defects_keep_their_traceback() -> None:
    """Nothing catches what it does not know, except to clean up and raise it again."""
    wide = []
    for module in modules():
        for node in ast.walk(parsed(module)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = ast.unparse(node.type) if node.type is not None else "everything"
            again = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
            if caught in ("everything", "Exception", "BaseException") and not again:
                wide.append(f"{module} line {node.lineno}: {caught}")
    assert not wide


def test_no_check_is_switched_off_wholesale() -> None:
    """A `type: ignore` or `noqa` names what it lets pass."""
    bare = [
        f"{module} line {number}"
        for module, path in modules().items()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if re.search(r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:)|#\s*mypy:|\b(TODO|FIXME|XXX)\b", line)
    ]
    assert not bare


@pytest.mark.xdist_group("together")
def test_tests_of_a_group_stay_together(request: pytest.FixtureRequest) -> None:
    """Those that share an engine, a browser or an emulated machine: a pair of pytest and xdist that do not fit lets them part."""
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith("@together")


def test_unit_tests_reach_nothing_outside() -> None:
    with pytest.raises(AssertionError, match="reached outside"):
        subprocess.run(["true"], check=True)
    with pytest.raises(AssertionError, match="reached outside"), socket.socket() as probe:
        probe.connect(("127.0.0.1", 9))
