"""Files of office programs that come from elsewhere: what is unsafe or damaged is refused before any of it is used."""

import io
import lzma
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from kit.errors import UsageError

if TYPE_CHECKING:
    from docx.document import Document

LARGEST_UNPACKED = 100_000_000
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([^"']*)["']""")
# What the decompressors say of bytes that are none of theirs.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)


def document(content: bytes) -> "Document":
    """A Word document. Raises `UsageError`, with what is to be said after its name, where it is none."""
    from docx import Document
    from docx.opc.exceptions import OpcError
    from docx.oxml.exceptions import XmlchemyError

    inspect(content)
    try:
        return Document(io.BytesIO(content))
    # Whatever a damaged document makes of the library's parsers; there is no common class for it.
    except (OpcError, XmlchemyError, SyntaxError, LookupError, ValueError, TypeError, AttributeError, OSError) as error:
        raise UsageError(f"is not a Word document that can be read: {error}") from error


def inspect(content: bytes) -> None:
    """Refuse an archive that grows beyond all bounds or brings entities of its own, before any library opens it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > 2000 or sum(member.file_size for member in members) > LARGEST_UNPACKED:
                raise UsageError("is too large once unpacked")
            for member in members:
                with archive.open(member) as file:
                    _refuse_entities(member.filename, file.read(LARGEST_UNPACKED))
    except (*_DAMAGE, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise UsageError(f"is not an archive that can be read: {error}") from error


def _refuse_entities(name: str, content: bytes) -> None:
    """Office never writes a document type, and entities can only come from one; nor any encoding but UTF-8 and UTF-16."""
    plain = content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe\0 \t\r\n").replace(b"\0", b"")
    if not plain.startswith(b"<"):
        if name.endswith((".xml", ".rels")) and content:
            raise UsageError(f"{name} is no XML")
        return
    declared = plain.partition(b"?>")[0] if plain.startswith(b"<?xml") else b""
    said = _ENCODING.search(declared)
    if len(declared) > 200 or (said is not None and said[1].lower() not in (b"utf-8", b"utf-16", b"us-ascii")):
        raise UsageError(f"{name} is written in an encoding that no office program uses")
    if b"<!DOCTYPE" in plain.upper():
        raise UsageError(f"{name} declares a document type, which no office program writes")
