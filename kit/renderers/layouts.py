"""Layouts: the templates that a report is made with. A site's folder comes first, kit's own for whatever it leaves out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from jinja2 import FunctionLoader, StrictUndefined, TemplateError, TemplateSyntaxError, Undefined
from jinja2.loaders import split_template_path
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kit import bounded
from kit.errors import HostError, UsageError
from kit.formats import apart, duration, figure, rate
from kit.model.comparison import Comparison
from kit.model.report import Report
from kit.renderers.word import clean
from kit.resources import folder
from kit.texts import say

FILES = ("report.md.j2", "report.html.j2", "report.css", "report.js", "report.docx")
"""What a layout may bring; what it does not is kit's own."""

LARGEST_BYTES = 20_000_000
"""Of a template."""
_HINT = "docs/report.md lists what a template may use"
# What an expression of a template may end in: whatever else is raised is kit's own fault.
MISTAKES = (TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders that templates are looked for in, the first one first; `name` is empty for kit's standard layout."""

    name: str
    folders: tuple[Path, ...]

    def path(self, name: str) -> Path:
        """The file of that name."""
        return next((place / name for place in self.folders if (place / name).is_file()), self.folders[-1] / name)

    def text(self, name: str) -> str:
        """The content of that file."""
        return self._text(self.path(name))

    def _text(self, path: Path) -> str:
        try:
            return bounded.read(path, LARGEST_BYTES).decode("utf-8")
        except OSError as error:
            raise HostError(f"{path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{path}: byte {error.start} is no UTF-8", hint="save the template as UTF-8") from error

    def environment(self, report: Report | Comparison, **filters: Callable[..., str]) -> ImmutableSandboxedEnvironment:
        """Where templates run: they see the report and cannot reach anything else."""
        made = ImmutableSandboxedEnvironment(
            loader=FunctionLoader(self._template),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=shown,
        )
        for name, apply in {"figure": figure, "rate": rate, "duration": duration, **filters}.items():
            made.filters[name] = _of_what_there_is(apply)
        made.filters["apart"] = apart
        made.globals.update(report=report, say=_Words(report), when=when)
        return made

    def _template(self, name: str) -> tuple[str, str, None] | None:
        """A template with its file, also where another one includes it; None where there is none."""
        inside = Path(*split_template_path(name))
        path = next((place / inside for place in self.folders if (place / inside).is_file()), None)
        return (self._text(path), str(path), None) if path is not None else None

    def rendered(self, environment: ImmutableSandboxedEnvironment, name: str, values: Mapping[str, object]) -> str:
        """A template with its values. Raises `UsageError` with file and line where it has a mistake."""
        self.text(name)
        try:
            return environment.get_template(name).render(values)
        except TemplateSyntaxError as error:
            where = f"{error.filename or self.path(name)}, line {error.lineno}"
            raise UsageError(f"{where}: {error.message}", hint=_HINT) from error
        except MISTAKES as error:
            where = self._place(error.__traceback__) or str(self.path(name))
            raise UsageError(f"{where}: {said(error)}", hint=_HINT) from error

    def _place(self, trace: TracebackType | None) -> str | None:
        """The innermost line of a template in a traceback."""
        found = None
        while trace is not None:
            file = Path(trace.tb_frame.f_code.co_filename)
            if any(file.is_relative_to(place) for place in self.folders) and file.suffix != ".py":
                found = f"{file}, line {trace.tb_lineno}"
            trace = trace.tb_next
        return found


def _of_what_there_is(apply: Callable[..., str]) -> Callable[..., str]:
    """A filter that names a field which there is not; by itself it would only say that it was given no text."""

    def applied(value: object, *more: object, **named: object) -> str:
        if isinstance(value, Undefined):
            str(value)  # raises, with its name
        return apply(value, *more, **named)

    return applied


class _Words:
    """`say(key)`: a text of the catalogue in the report's language."""

    def __init__(self, report: Report | Comparison) -> None:
        self._language = report.language

    def __call__(self, key: str, **values: object) -> str:
        return say(self._language, key, **values)


STANDARD = Layout("", (folder("templates"),))


def find(reference: str | None) -> Layout:
    """A layout by its folder, or by its name in kit's own templates; the standard one where none is asked for."""
    if reference is None:
        return STANDARD
    own = folder("templates")
    known = sorted(path.name for path in own.iterdir() if path.is_dir())
    place = own / reference if reference in known else Path(reference)
    if not place.is_dir():
        msg = f"there is no layout {reference!r}"
        raise UsageError(msg, hint=f"give a folder with templates, or one of kit's own: {', '.join(known)}")
    if not any((place / name).is_file() for name in FILES):
        raise UsageError(f"{place} holds no template", hint=f"a layout has at least one of {', '.join(FILES)}")
    return Layout(place.resolve().name, (place.resolve(), own))


def shown(value: object) -> object:
    """What a document must not hold is left out before anything is escaped."""
    return clean(value) if type(value) is str else value


def said(error: BaseException) -> str:
    """A mistake in one line, without what a library adds below."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return clean(" ".join(text.split())) or type(error).__name__


def when(at: object) -> str:
    """A time where the report is made: `2026-11-23 21:05:07 +0800`."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %z}" if isinstance(at, datetime) else "—"
