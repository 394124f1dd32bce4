r"""Rules of HTTP, URLs and target texts that more than one file checks, each once and with its section.

A pattern describes a whole text, so it is used with ``fullmatch()``; one that finds something in a text says so.
Strings are WSGI strings: latin-1 characters that stand for bytes (PEP 3333). Digits and letters are those of ASCII.
"""

from __future__ import annotations

import re

__all__ = [
    "ABSOLUTE_FORM",
    "CONTENT_LENGTH",
    "DOT_SEGMENT",
    "FIELD_VALUE",
    "FINAL_STATUS_LINE",
    "LINE_BREAK",
    "METHOD_BEGINNING",
    "PORT",
    "STATUS_LINE",
    "TARGET",
    "TOKEN",
    "size_in_bytes",
]

#: RFC 9110 section 5.6.2, tchar
_TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]"
#: RFC 9110 section 5.5: HTAB, SP, VCHAR and obs-text
_FIELD_CHARACTER = r"[\t\x20-\x7e\x80-\xff]"

#: RFC 9110 section 5.6.2, token: the name of a method, a header or a cookie
TOKEN = re.compile(rf"{_TCHAR}+")
#: RFC 9112 section 3, request-line: with ``match()``, the bytes that a request can begin with, complete or not
METHOD_BEGINNING = re.compile(rf"{_TCHAR}+(?: |\Z)".encode())
#: RFC 9110 section 5.5, field-value
FIELD_VALUE = re.compile(rf"{_FIELD_CHARACTER}*")
#: RFC 9110 section 8.6: a number of bytes, here of at most 18 digits, so that it fits into 64 bits
CONTENT_LENGTH = re.compile(r"[0-9]{1,18}")
#: RFC 9110 section 5.5: with ``search()``, NUL, CR or LF, which end a header for some parsers
LINE_BREAK = re.compile(r"[\x00\r\n]")
#: RFC 9112 section 4, status-line, without the version: three digits, a space, a reason
STATUS_LINE = re.compile(rf"[0-9]{{3}} {_FIELD_CHARACTER}*")
#: RFC 9110 section 15: the status of a final response, 2xx to 5xx
FINAL_STATUS_LINE = re.compile(rf"[2-5][0-9]{{2}} {_FIELD_CHARACTER}*")
#: RFC 9112 section 3.2.2, absolute-form, http and https alone. No authority holds a ``#``, a backslash or a blank
#: (RFC 3986 section 3.2): a front could end it there.
ABSOLUTE_FORM = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#\\\s]+)(?P<rest>[/?].*)?", re.IGNORECASE)
#: RFC 3986 section 3.3: with ``search()``, a ``.`` or ``..`` segment, which fronts and browsers resolve
DOT_SEGMENT = re.compile(r"/\.\.?(?:/|\Z)")
#: RFC 3986 section 3.2.3, port: its range (1 to 65535) is to be checked besides
PORT = re.compile(r"[0-9]{1,5}")

#: ``package.module:attribute.attribute`` (an object reference of the entry points specification), with ``()`` for a
#: factory
TARGET = re.compile(
    r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<attribute>[^\W\d]\w*(?:\.[^\W\d]\w*)*)(?P<call>\(\))?"
)

_SIZE = re.compile(r"(?P<number>[0-9]{1,15})(?P<unit>[kmg]?)", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def size_in_bytes(size: str) -> int | None:
    """The bytes of a size as options give it: ``65536``, ``64k``, ``16m``, ``1g``. None if it is malformed or zero.

    >>> size_in_bytes("64k"), size_in_bytes("0"), size_in_bytes("64kb")
    (65536, None, None)
    """
    match = _SIZE.fullmatch(size)
    return None if match is None else int(match["number"]) * _UNITS[match["unit"].lower()] or None
