"""The index of runs: what can be found of them without opening each; made from the run directories, at any time anew.

SQLite in kit's cache on one machine, PostgreSQL for a team: every machine brings its own runs up to date there and leaves
those of others alone. The run directories stay the truth; an index that is deleted loses nothing.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from kit import acceptance, addresses, store
from kit.comparing import runs as sides
from kit.comparing.sides import Side
from kit.errors import HostError, KitError, UsageError
from kit.model.comparison import COMPARED
from kit.model.listed import REHEARSAL, Filters, Found
from kit.resources import cache
from kit.store import RunDir

_META = MetaData()
_RUNS = Table(
    "kit_runs",
    _META,
    # The machine and the place: two machines may have runs of the same name.
    Column("id", String, primary_key=True),
    Column("place", String, nullable=False, index=True),
    Column("stamp", String, nullable=False),
    Column("run", String, nullable=False),
    Column("profile", String, nullable=False),
    Column("status", String, nullable=False),
    Column("started", DateTime, nullable=False, index=True),
    Column("duration_s", Float),
    Column("rounds_done", Integer, nullable=False),
    Column("rounds_planned", Integer, nullable=False),
    Column("model", String),
    Column("accelerator", String),
    Column("accelerators", Integer),
    Column("hardware", String),
    Column("engine", String),
    Column("verdict", String, nullable=False),
    # What must be alike for figures of two runs to be compared.
    Column("load", String, nullable=False),
)
_FIGURES = Table(
    "kit_figures",
    _META,
    Column("id", String, ForeignKey("kit_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("case", String, primary_key=True),
    Column("metric", String, primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("value", Float, nullable=False),
)


_FORM = 2  # of what is kept of a run
_LOCK = 0x6B6974  # of PostgreSQL, for the time of a change
_DAMAGED = ("not a database", "malformed", "no such column", "no such table")


class DamagedError(HostError):
    """An index that cannot be read, or that another kit made: it may be made anew."""


class Index:
    """An open index. `url` as SQLAlchemy writes it; None: a file in kit's cache, or memory where none can be written."""

    def __init__(self, url: str | None, folder: Path) -> None:
        try:
            self._engine = _engine(url, folder)
            with self._engine.begin() as connection:
                if not all(inspect(connection).has_table(table.name) for table in _META.sorted_tables):
                    _alone(connection)
                    _META.create_all(connection)
        except (ArgumentError, NoSuchModuleError) as error:
            raise addresses.no_index(str(url)) from error
        except ModuleNotFoundError as error:
            raise UsageError(f"{error.name} is not installed", hint="pip install 'kit[postgresql]'") from error
        except SQLAlchemyError as error:
            raise _failed(error) from error

    def close(self) -> None:
        self._engine.dispose()

    def refresh(self, folder: Path, machine: str, *, everything: bool = False) -> tuple[str, ...]:
        """Bring the runs of a folder up to date, or read them all again; what could not be read is told and left out."""
        place = f"{machine}:{folder.resolve()}"
        told: list[str] = []
        present = {run.name: run for run in store.runs(folder) if (run.path / "run.json").is_file()}
        stamps = {name: _stamp(run) for name, run in present.items()}
        with self._begin() as connection:
            if not everything and _known(connection, place) == stamps:
                return ()
        with self._begin() as connection:
            # Another kit may have done the same meanwhile: what is there is read again.
            _alone(connection)
            known = _known(connection, place)
            good = {name for name in known if not everything and stamps.get(name) == known[name]}
            for name in known.keys() - good:
                _forget(connection, f"{place}/{name}")
            for name in (name for name in present if name not in good):
                try:
                    _add(connection, present[name], place, stamps[name])
                except KitError as error:
                    told.append(f"{name}: {error.message}")
        return tuple(told)

    def runs(self, wanted: Filters) -> tuple[Found, ...]:
        """The runs that fit, newest first."""
        query = select(_RUNS)
        for column, part in (
            (_RUNS.c.model, wanted.model),
            (_RUNS.c.accelerator, wanted.accelerator),
            (_RUNS.c.engine, wanted.engine),
        ):
            if part is not None:
                query = query.where(func.lower(column).contains(part.lower(), autoescape=True))
        if wanted.verdict is not None:
            query = query.where(_RUNS.c.verdict == wanted.verdict)
        if wanted.since is not None:
            query = query.where(_RUNS.c.started >= _naive(wanted.since))
        with self._begin() as connection:
            rows = connection.execute(query.order_by(_RUNS.c.started.desc(), _RUNS.c.run.desc())).all()
        return tuple(map(_found, rows))

    def rounds(self, found: Sequence[Found], case: str, metric: str) -> dict[str, tuple[float, ...]]:
        """The figures of all rounds of a case, by the identity of the run; runs without the case have none."""
        wanted = [f"{entry.place}/{entry.run}" for entry in found]
        query = (
            select(_FIGURES.c.id, _FIGURES.c.value)
            .where(_FIGURES.c.id.in_(wanted), _FIGURES.c.case == case, _FIGURES.c.metric == metric)
            .order_by(_FIGURES.c.id, _FIGURES.c.round)
        )
        result: dict[str, tuple[float, ...]] = {}
        with self._begin() as connection:
            for identity, value in connection.execute(query):
                result[identity] = (*result.get(identity, ()), value)
        return result

    def cases(self) -> tuple[str, ...]:
        """The cases that any run has."""
        with self._begin() as connection:
            return tuple(connection.execute(select(_FIGURES.c.case).distinct().order_by(_FIGURES.c.case)).scalars())

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _failed(error) from error


def _alone(connection: Connection) -> None:
    """Whoever else changes the index waits for the end of this transaction."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _known(connection: Connection, place: str) -> dict[str, str]:
    """The stamps of the runs of a place."""
    found = connection.execute(select(_RUNS.c.run, _RUNS.c.stamp).where(_RUNS.c.place == place))
    return {str(run): str(stamp) for run, stamp in found}


def _engine(url: str | None, folder: Path) -> Engine:
    if url is not None:
        made = create_engine(addresses.plain(url))
    elif (path := place_of(folder)) is not None:
        made = create_engine(f"sqlite:///{path}")
    else:
        made = create_engine("sqlite://", poolclass=StaticPool)
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _patient)
    return made


def _patient(connection: object, record: ConnectionPoolEntry) -> None:
    """Two kits may list runs at the same time."""
    del record
    execute = getattr(connection, "execute")  # noqa: B009  (the driver's own connection, of no common type)
    execute("PRAGMA busy_timeout = 60000")
    execute("PRAGMA foreign_keys = ON")


def place_of(folder: Path) -> Path | None:
    """The file of a folder's own index, in kit's cache: the folder may be somebody else's. None where none can be written."""
    home = cache() / "indexes"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    path = home / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}.sqlite"
    return path if os.access(home, os.W_OK) and (not path.exists() or os.access(path, os.W_OK)) else None


def _stamp(run: RunDir) -> str:
    """Changes whenever the state of the run does, at its end at the latest, and with what is kept of a run."""
    status = (run.path / "run.json").stat()
    return f"{_FORM}-{status.st_mtime_ns}-{status.st_size}"


def _forget(connection: Connection, identity: str) -> None:
    connection.execute(delete(_FIGURES).where(_FIGURES.c.id == identity))
    connection.execute(delete(_RUNS).where(_RUNS.c.id == identity))


def _add(connection: Connection, run: RunDir, place: str, stamp: str) -> None:
    plan, status = run.plan(), run.status()
    results = run.results(plan)
    began = status.started.astimezone().date()
    verdict = acceptance.judge(plan, results, run.baseline(), began, complete=status.status == "complete").outcome
    side = sides.of_run(run, requests=False) if results else None
    identity = f"{place}/{run.name}"
    connection.execute(
        insert(_RUNS).values(
            id=identity,
            place=place,
            stamp=stamp,
            run=run.name,
            profile=plan.profile,
            status=status.status,
            started=_naive(status.started),
            duration_s=status.duration_s,
            rounds_done=status.rounds_done,
            rounds_planned=status.rounds_planned,
            model=plan.report.model_label or plan.target.model,
            accelerator=side.accelerator if side is not None else None,
            accelerators=side.accelerators if side is not None else None,
            hardware=side.hardware if side is not None else None,
            engine=f"{plan.engine} {plan.engine_version or ''}".strip(),
            verdict=verdict,
            load=_load(side) if side is not None else "",
        )
    )
    if side is not None and (rows := list(_figures(side, identity))):
        connection.execute(insert(_FIGURES), rows)


def _load(side: Side) -> str:
    """Everything that must be alike, but for lengths: a trend looks at one case."""
    return (REHEARSAL if side.is_rehearsal else "") + "; ".join(
        f"{key} {side.keys.get(key) or '—'}"
        for key in ("model", "weights", "generator", "generator_version", "transport", "dataset", "seed")
    )


def _figures(side: Side, identity: str) -> Iterator[dict[str, object]]:
    for case in side.cases.values():
        for metric in COMPARED:
            for number, value in enumerate(case.values.get(metric, ()), start=1):
                if value is not None:
                    yield {"id": identity, "case": case.name, "metric": metric, "round": number, "value": value}


def _naive(at: datetime) -> datetime:
    """In UTC without a zone: SQLite keeps none."""
    return at.astimezone(UTC).replace(tzinfo=None)


def _found(row: Row[tuple[object, ...]]) -> Found:
    values = dict(row._mapping)
    values["started"] = values["started"].replace(tzinfo=UTC)
    return Found(**{name: values[name] for name in Found.__slots__})


def _failed(error: SQLAlchemyError) -> HostError:
    said = str(getattr(error, "orig", None) or error).strip().splitlines()
    kind = DamagedError if any(part in said[0] for part in _DAMAGED if said) else HostError
    return kind(f"the index cannot be used: {said[0] if said else error}", hint="give another one with --index")
