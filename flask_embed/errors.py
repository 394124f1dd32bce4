"""The exceptions of this project; each message is written where the value is known."""

from __future__ import annotations

__all__ = ["LoadError", "PrefixError", "SettingWarning", "UsageError"]


class PrefixError(ValueError):
    """A mount prefix that is malformed or taken; the message shows it and what to write instead."""


class SettingWarning(UserWarning):
    """An unknown setting was assigned; the message names a similar one, or the replacement here."""


class UsageError(Exception):
    """A mistake in a command line or configuration: one line on stderr, exit status 2."""


class LoadError(UsageError):
    """A ``module:attribute`` target that does not exist or is not callable."""
