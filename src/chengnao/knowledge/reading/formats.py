"""Which format a file has, by its content; its name is believed only where the content says nothing."""

import io
import zipfile
from pathlib import PurePath

from chengnao.kernel.errors import Invalid
from chengnao.knowledge.reading.blocks import CHARACTER_LIMIT, FILE_LIMIT, Readout

_IMAGES = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"II*\x00", b"MM\x00*", b"GIF8")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def read_document(data: bytes, file_name: str) -> Readout:
    """The text of a file in any format that is known; raises Invalid that says what is wrong and what to do."""
    if not data.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise Invalid("knowledge_file_empty", field="file", file=file_name)
    if len(data) > FILE_LIMIT:
        size, limit = len(data) // 2**20, FILE_LIMIT // 2**20
        raise Invalid("knowledge_file_too_large", field="file", file=file_name, size_mb=size, limit_mb=limit)
    found = _read(data, file_name)
    if not any(block.text.strip() for block in found.blocks):
        raise Invalid("knowledge_file_no_text", field="file", file=file_name)
    if found.characters > CHARACTER_LIMIT:
        raise Invalid(
            "knowledge_text_too_long", field="file", file=file_name, characters=found.characters, limit=CHARACTER_LIMIT
        )
    return found


def _read(data: bytes, file_name: str) -> Readout:
    # Imported here: each reader brings a library of its own, and a file needs one of them.
    suffix = PurePath(file_name).suffix.lower()
    if b"%PDF-" in data[:1024] or data.startswith(_IMAGES):
        from chengnao.knowledge.reading.pages import read_paged  # noqa: PLC0415

        return read_paged(data, "pdf" if b"%PDF-" in data[:1024] else "image")
    if data.startswith(_OLE):
        code = "knowledge_file_encrypted" if _ENCRYPTED in data else "knowledge_file_old_office"
        raise Invalid(code, field="file", file=file_name)
    if data.startswith(b"PK"):
        if not _is_word(data):
            raise Invalid("knowledge_file_unknown", field="file", file=file_name, found="ZIP")
        from chengnao.knowledge.reading.word import read_word  # noqa: PLC0415

        return read_word(data, file_name)
    from chengnao.knowledge.reading.plain import decoded, is_web_page, read_markdown, read_web_page  # noqa: PLC0415

    text = decoded(data, file_name)
    if is_web_page(text, suffix):
        return read_web_page(text)
    return read_markdown(text, "markdown" if suffix in (".md", ".markdown") else "text")


def _is_word(data: bytes) -> bool:
    try:
        return "word/document.xml" in zipfile.ZipFile(io.BytesIO(data)).namelist()
    except zipfile.BadZipFile:
        return False
