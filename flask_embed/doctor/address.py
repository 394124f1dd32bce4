"""The public address of an app: where the doctor connects, and the prefix that the app is to have there."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from flask_embed.environ import escape_controls, url_root_fault
from flask_embed.errors import PrefixError, UsageError
from flask_embed.middleware.prefix import normalize_prefix

__all__ = ["Address"]


class Address(NamedTuple):
    """The parts of a URL that the doctor needs."""

    scheme: str
    #: without brackets
    host: str
    port: int
    #: as it stands in a Host header: without the default port of the scheme
    netloc: str
    #: ``""`` or ``/a/b``, a WSGI string
    prefix: str

    @classmethod
    def of(cls, url: str) -> Address:
        """The address of ``http://example.com:8000/shop``; :exc:`~flask_embed.errors.UsageError` for another URL."""
        try:
            split = urlsplit(url)
            port = split.port
            host = split.hostname or ""
        except ValueError as error:
            raise UsageError(f"{url!r} is a malformed URL: {escape_controls(str(error))}") from None
        if split.scheme not in ("http", "https") or not host:
            raise UsageError(
                f"{url!r} is not the address of a site; write it whole: http://example.com/yourapplication"
            )
        if "@" in split.netloc:
            raise UsageError("the URL holds a user or password; write it without: http://example.com/yourapplication")
        if split.query or split.fragment:
            raise UsageError(f"{url!r} goes on behind the path; leave out what begins with '?' or '#'")
        if port == 0:
            raise UsageError(f"{url!r} has port 0, which is reserved; write the port that the web server listens on")
        try:
            name = host if host.isascii() else host.encode("idna").decode("ascii")
        except UnicodeError:
            raise UsageError(f"{url!r} has a host that DNS has no form for; write another one") from None
        bracketed = f"[{name}]" if ":" in name else name
        default = 443 if split.scheme == "https" else 80
        netloc = bracketed if port in (None, default) else f"{bracketed}:{port}"
        if url_root_fault(netloc, "") is not None:
            raise UsageError(f"{url!r} has the malformed host {host!r}; write one like example.com")
        try:
            prefix = normalize_prefix(unquote(split.path, errors="strict"))
        except (PrefixError, UnicodeError) as error:
            raise UsageError(f"{url!r} cannot be where an app is: {error}") from None
        return cls(split.scheme, name, port or default, netloc, prefix)

    @property
    def url(self) -> str:
        """The URL without a slash at the end."""
        return f"{self.scheme}://{self.netloc}{self.quoted}"

    @property
    def quoted(self) -> str:
        """The prefix as it stands in a request, percent-encoded."""
        return quote(self.prefix.encode("latin-1"), safe="/!$&'()*+,:;=@~")

    @property
    def written(self) -> str:
        """The prefix as people and configurations write it."""
        return self.prefix.encode("latin-1").decode()
