"""Warnings that are logged once: for a setting at fault, which would fill the log with a line for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_embed.environ import readable

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["LogOnce"]


class LogOnce:
    """A log that takes one warning and drops all that follow."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._is_used = False

    def warning(self, message: str, *values: str) -> None:
        """Log *message* if it is the first one, and that others are not logged.

        *values* are WSGI strings, and logged as :func:`~flask_embed.environ.readable` shows them.
        """
        if not self._is_used:
            self._is_used = True
            self._logger.warning(f"{message} Other such requests are not logged.", *map(readable, values), stacklevel=2)
