"""report.pdf: the Word report, laid out by LibreOffice where that is installed."""

from pathlib import Path

from kit.errors import HostError
from kit.host import LocalHost
from kit.model.report import Report
from kit.ports import Host, ToolMissing, ToolTimeout
from kit.renderers import docx
from kit.renderers.layouts import STANDARD, Layout
from kit.runtimes import notes

TIME_LIMIT_S = 180.0
_HINT = "install LibreOffice Writer (Debian: libreoffice-writer), or open report.docx and print it"


def render(report: Report, layout: Layout = STANDARD) -> bytes:
    return laid_out(docx.written(report, layout, for_layout=True), LocalHost())


def laid_out(document: bytes, host: Host) -> bytes:
    """A Word document as PDF. Raises `HostError` where LibreOffice is missing or fails."""
    with notes.scratch("pdf") as scratch:
        folder = Path(scratch)
        (folder / "report.docx").write_bytes(document)
        # A profile of its own: LibreOffice does nothing when another one of the same profile is open.
        argv = ["soffice", "--headless", "--norestore", f"-env:UserInstallation={(folder / 'profile').as_uri()}"]
        argv += ["--convert-to", "pdf", "--outdir", scratch, str(folder / "report.docx")]
        try:
            said = host.run(argv, timeout_s=TIME_LIMIT_S)
        except ToolMissing as error:
            raise HostError("a PDF needs LibreOffice, which is not installed here", hint=_HINT) from error
        except ToolTimeout as error:
            raise HostError(f"LibreOffice made no PDF in {TIME_LIMIT_S:g} s", hint=_HINT) from error
        made = folder / "report.pdf"
        if said.code != 0 or not made.is_file():
            reason = (said.stderr or said.stdout).strip().splitlines()
            raise HostError(
                f"LibreOffice made no PDF: {reason[-1] if reason else f'exit code {said.code}'}", hint=_HINT
            )
        return made.read_bytes()
