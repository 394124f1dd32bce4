"""The exceptions of the project's own, each worded where the value is known."""

from __future__ import annotations

__all__ = ["LoadError", "PrefixError", "SettingWarning", "UsageError"]


class PrefixError(ValueError):
    """A mount prefix that cannot be served, or that is taken; the text shows it and what to write instead."""


class SettingWarning(UserWarning):
    """A setting was assigned that no app has; the text names the one that may be meant, or what is here instead."""


class UsageError(Exception):
    """A fault of whoever typed the command: told in one line, exit status 2."""


class LoadError(UsageError):
    """A ``module:attribute`` target that names nothing, or nothing that can be called."""
