"""The converters of rules: werkzeug's, building only URLs that lead back to the value they were built from."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

from werkzeug.datastructures import ImmutableDict
from werkzeug.routing import ValidationError, converters

__all__ = ["CONVERTERS", "FloatConverter", "IntegerConverter", "PathConverter", "StringConverter", "UUIDConverter"]


class StringConverter(converters.UnicodeConverter):
    """One segment of a path, the default; builds only what comes back as the same segment."""

    def to_url(self, value: Any) -> str:
        value = str(value)
        if "/" in value or value in (".", "..", ""):  # a slash starts a new segment, a browser resolves the dots
            raise ValidationError(f"{value!r} cannot stand in one segment of a path")
        return super().to_url(value)


class PathConverter(converters.PathConverter):
    """All that is left of a path, slashes included; builds only what comes back as the same text."""

    regex = converters.PathConverter.regex
    part_isolating = False

    def to_url(self, value: Any) -> str:
        value = str(value)
        if not value or value.startswith("/") or {".", ".."}.intersection(value.split("/")):
            raise ValidationError(f"{value!r} would not come back as the same path")
        return super().to_url(value)


class IntegerConverter(converters.IntegerConverter):
    """Digits 0 to 9, no other script's, as an int."""

    regex = "[0-9]+"


class FloatConverter(converters.FloatConverter):
    """Digits, a dot and digits, as a float that is finite."""

    regex = r"[0-9]+\.[0-9]+"

    def to_python(self, value: str) -> float:
        number: float = super().to_python(value)
        if math.isinf(number):
            raise ValidationError
        return number


class UUIDConverter(converters.UUIDConverter):
    """A UUID with its dashes."""

    def to_url(self, value: Any) -> str:
        try:
            return str(UUID(str(value)))
        except ValueError:
            raise ValidationError(f"{value!r} is no UUID") from None


#: the converters by the name that a rule calls them by
CONVERTERS: ImmutableDict[str, type[converters.BaseConverter]] = ImmutableDict(
    {
        **converters.DEFAULT_CONVERTERS,
        "default": StringConverter,
        "string": StringConverter,
        "path": PathConverter,
        "int": IntegerConverter,
        "float": FloatConverter,
        "uuid": UUIDConverter,
    }
)
