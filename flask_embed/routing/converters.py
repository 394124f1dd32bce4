"""The converters of rules: werkzeug's, building only URLs that lead back to the value they were built from."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import unquote

from werkzeug.datastructures import ImmutableDict
from werkzeug.routing import ValidationError, converters

__all__ = ["CONVERTERS", "StringConverter"]


class LeadsBack(converters.BaseConverter):
    """Mixed into a converter: what it builds is what it would match, or it is not built (ValidationError)."""

    def to_url(self, value: Any) -> str:
        try:
            url = super().to_url(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        matched = unquote(url)
        # A browser resolves segments of dots: the URL would be another page's.
        if re.fullmatch(self.regex, matched, re.DOTALL) is None or {".", ".."}.intersection(matched.split("/")):
            raise ValidationError(f"{value!r} would not come back from {url!r}")
        self.to_python(matched)
        return url


class StringConverter(LeadsBack, converters.UnicodeConverter):
    """One segment of a path, the default."""


class PathConverter(LeadsBack, converters.PathConverter):
    """All that is left of a path, slashes included."""


class AnyConverter(LeadsBack, converters.AnyConverter):
    """One of the items that the rule lists."""


class IntegerConverter(LeadsBack, converters.IntegerConverter):
    """Digits 0 to 9, no other script's, as an int."""

    regex = "[0-9]+"


class FloatConverter(LeadsBack, converters.FloatConverter):
    """Digits, a dot and digits, as a float that is finite."""

    regex = r"[0-9]+\.[0-9]+"

    def to_python(self, value: str) -> float:
        number: float = super().to_python(value)
        if math.isinf(number):
            raise ValidationError
        return number


class UUIDConverter(LeadsBack, converters.UUIDConverter):
    """A UUID with its dashes."""


#: the converters by the name that a rule calls them by
CONVERTERS: ImmutableDict[str, type[converters.BaseConverter]] = ImmutableDict(
    {
        **converters.DEFAULT_CONVERTERS,
        "default": StringConverter,
        "string": StringConverter,
        "path": PathConverter,
        "any": AnyConverter,
        "int": IntegerConverter,
        "float": FloatConverter,
        "uuid": UUIDConverter,
    }
)
