"""The bodies of responses that are sent after the view has returned: files, and what a generator makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.wsgi import FileWrapper

from flask_embed.bodies import ClosingBody, is_whole
from flask_embed.ctx import bound_context

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO

    from flask_embed.ctx import RequestContext

__all__ = ["FileBody", "StreamedBody", "follow"]


def follow(context: RequestContext, body: Iterable[bytes]) -> Iterable[bytes]:
    """*body* for the server: unchanged if it is whole or a file, else with *context* bound during each step."""
    if type(body) is FileBody or is_whole(body, context.environ):
        return body
    context.is_streamed = True
    return StreamedBody(context, body)


class FileBody(FileWrapper):
    """A file as a body, for a server without ``wsgi.file_wrapper``; closed at its end, on an error, or by close()."""

    _ended = False

    def __init__(self, file: IO[bytes], buffer_size: int = 65536) -> None:
        super().__init__(file, buffer_size)

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        try:
            return super().__next__()
        except BaseException:
            self._ended = True
            self.close()
            raise


class StreamedBody(ClosingBody):
    """A body that is made while it is sent, with its request context bound during each step.

    PEP 3333 allows a server to call ``next()`` and ``close()`` in any thread; the context is bound and left there.
    The request is torn down when the body ends, raises or is closed. A server that does neither is faulty; then
    the request is torn down when the body is collected, and a line is logged.
    """

    __slots__ = ("_context",)

    def __init__(self, context: RequestContext, body: Iterable[bytes]) -> None:
        super().__init__(body)
        self._context = context

    def __next__(self) -> bytes:
        if not self.is_open:
            raise StopIteration
        context = self._context
        context.bind()
        try:
            iterator = self._iterator  # as the base does: a call of it would add a seventh to each step
            if iterator is None:
                iterator = self._iterator = iter(self._body)
            data = next(iterator)
            if bound_context() is not context:
                raise RuntimeError("a streamed body has bound a request context, and yields before it has left it")
            return data
        except BaseException as error:
            self._end(None if isinstance(error, StopIteration) else error)
            raise
        finally:
            context.unbind()

    def close(self) -> None:
        if self.is_open:
            with self._context.lent():
                super().close()

    def _end(self, error: BaseException | None) -> None:
        """Close the body at its end, or after *error*: an exception of its close() is logged.

        At its end the client has all of the body, and after an error that one counts.
        """
        try:
            self.close_after(error)
        except Exception:
            self._context.app.logger.exception("The body of %s could not be closed", self._context.endpoint)

    def ended(self, error: BaseException | None) -> None:
        self._context.teardown(error)

    def abandoned(self) -> None:
        context = self._context
        context.app.logger.warning(
            "The body of %s was neither read to its end nor closed by the server (PEP 3333 requires close())",
            context.endpoint,
        )
        with context.lent():
            self._end(None)
