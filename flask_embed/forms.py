"""The bodies that a request parses, forms and JSON, with the limits that the app sets."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.wsgi import LimitedStream

if TYPE_CHECKING:
    from typing import IO

__all__ = ["BoundedJson", "BoundedStream", "FormParser", "Json", "most_containers"]

#: RFC 2046 section 5.1.1 allows 70 characters; the test clients of werkzeug and Flask write up to 73
_LONGEST_BOUNDARY = 100


class BoundedStream(LimitedStream):
    """A stream that ends by itself, of which at most *most* bytes are read; more is a 413."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        super().__init__(stream, most + 1, is_max=True)
        self._left = most

    def readinto(self, b: Any) -> int | None:
        size = super().readinto(b)
        self._left -= size or 0
        if self._left < 0:
            raise RequestEntityTooLarge
        return size


class BoundedJson(BoundedStream):
    """JSON of at most *most* bytes, and one list or object for each five of them; more is a 413.

    An empty list takes two bytes of JSON and about ninety of memory. Brackets inside strings are counted too.
    """

    def __init__(self, stream: IO[bytes], most: int) -> None:
        super().__init__(stream, most)
        self._containers_left = most // 5

    def readinto(self, b: Any) -> int | None:
        size = super().readinto(b)
        self._containers_left -= most_containers(bytes(b[:size]))
        if self._containers_left < 0:
            raise RequestEntityTooLarge
        return size


def most_containers(data: bytes) -> int:
    """The largest number of lists and objects that JSON of these bytes can hold."""
    return data.count(b"[") + data.count(b"{")


class Json:
    """The JSON module of a request: JSON nested too deep for Python is malformed (400), like any other."""

    dumps = staticmethod(json.dumps)

    @staticmethod
    def loads(content: str | bytes, **options: Any) -> Any:
        try:
            return json.loads(content, **options)
        except RecursionError:
            raise ValueError("the JSON is nested too deep") from None


class FormParser(FormDataParser):
    """werkzeug's parser; it counts the fields of each form and reads multipart bodies through :class:`_Multipart`.

    werkzeug (3.1.9) reads an urlencoded form whole, and each ``%41`` of it costs some hundred bytes. So the bytes are
    counted while they are read.
    """

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> Any:
        if mimetype == "multipart/form-data" and options is not None:
            if len(options.get("boundary", "")) > _LONGEST_BOUNDARY:
                # A boundary is compiled into regular expressions, which stay in the cache of re.
                raise BadRequest("The boundary of the form is too long.")
            multipart = cast("IO[bytes]", _Multipart(stream, options.get("boundary", ""), self.max_form_memory_size))
            return (stream, *super().parse(multipart, mimetype, content_length, options)[1:])
        if mimetype == "application/x-www-form-urlencoded":
            most = self.max_form_memory_size
            if most is not None and (content_length or 0) > most:
                raise RequestEntityTooLarge
            content = stream.read() if most is None else BoundedStream(stream, most).read()
            if self.max_form_parts is not None and content.count(b"&") >= self.max_form_parts:
                raise RequestEntityTooLarge
            return (stream, *super().parse(BytesIO(content), mimetype, content_length, options)[1:])
        return super().parse(stream, mimetype, content_length, options)


class _Multipart:
    """A multipart body, cut where werkzeug's parser reads it right, and always at the same places.

    The parser (3.1.9) is given blocks. Of a block that ends within a delimiter, behind ``--boundary``, it takes the
    line break before it for content. So a possible delimiter is never cut, and the result does not depend on how the
    body was cut on its way.
    """

    def __init__(self, stream: IO[bytes], boundary: str, most: int | None) -> None:
        self._source = stream
        self._headers = _HeaderCount(boundary, most)
        self._delimiter = b"--" + boundary.encode("ascii", "replace")
        #: the parser refuses a block beyond the limit of a field, also of a file
        self._most = None if most is None else max(most // 2, 1)
        #: read already, for the next block
        self._held = b""

    def read(self, size: int) -> bytes:
        """A block of about *size* bytes; an empty one at the end."""
        left = size if self._most is None else min(size, self._most)
        blocks = [self._held]
        left -= len(self._held)
        while left > 0 and (block := self._source.read(left)):
            blocks.append(block)
            left -= len(block)
        data = b"".join(blocks)
        end = len(data) if left > 0 else self._end(data)
        self._held = data[end:]
        data = data[:end]
        self._headers.count(data)
        return data

    def _end(self, data: bytes) -> int:
        """The length of the block that can be cut from *data*: up to its last line if that may be a delimiter."""
        begin = max(data.rfind(b"\n"), data.rfind(b"\r"))
        line = data[begin + 1 :]
        if not (line.startswith(self._delimiter) or self._delimiter.startswith(line)):
            return len(data)
        begin -= data[begin - 1 : begin + 1] == b"\r\n"
        return begin if begin > 0 else len(data)  # longer than a block: content


class _HeaderCount:
    """A limit on the headers of a multipart body: 16 KB for each body part, and for all the limit of a field.

    Headers are parsed and kept as text whole. Delimiters and blank lines are those of werkzeug's parser (3.1.9).
    """

    _MOST = 16 * 1024
    _END = re.compile(rb"\r\n\r\n|\r\r|\n\n")

    def __init__(self, boundary: str, most: int | None) -> None:
        delimiter = b"--%s[^\\S\n\r]*(?:\r\n|\n|\r)" % re.escape(boundary.encode("ascii", "replace"))
        #: the headers of the next body part begin behind it; the first delimiter may follow anything
        self._begin = re.compile(delimiter)
        self._next_begin = re.compile(rb"(?<=[\r\n])" + delimiter)
        #: a delimiter that has begun is at most as long, or comes with the next block
        self._longest = len(boundary) + 8
        #: bytes left for the headers of all body parts
        self._left = most
        #: bytes of the headers of this body part so far, None within its content
        self._size: int | None = None
        #: the end of the blocks before, the position from which it is searched, and up to which headers were counted
        self._data = b""
        self._position = self._counted = 0

    def count(self, block: bytes) -> None:
        """Count the headers in the next block; 413 for headers that are too long."""
        data = self._data + block
        while True:
            if self._size is None:
                match = self._begin.search(data, self._position)
                if match is None:
                    break
                self._begin = self._next_begin
                self._size, self._counted = 0, match.end()
            else:
                match = self._END.search(data, self._position)
                self._add(len(data) if match is None else match.end())
                if match is None:
                    break
                self._size = None
            self._position = match.end()
        kept = max(self._position, len(data) - self._longest, 1) - 1  # a delimiter has a line break before it
        self._data = data[kept:]
        self._position = max(self._position - kept, 1)
        self._counted -= kept

    def _add(self, end: int) -> None:
        """Count the bytes of headers up to the position *end*."""
        size = end - self._counted
        self._counted = end
        self._size = (self._size or 0) + size
        if self._left is not None:
            self._left -= size
        if self._size > self._MOST or (self._left is not None and self._left < 0):
            raise RequestEntityTooLarge
