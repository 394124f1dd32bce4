"""The converters of rules: werkzeug's, which build only URLs that they would convert back to the same value."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import unquote

from werkzeug.datastructures import ImmutableDict
from werkzeug.routing import ValidationError, converters

__all__ = ["CONVERTERS", "StringConverter"]


class LeadsBack(converters.BaseConverter):
    """A mixin for converters: a URL that would not match again is not built (ValidationError)."""

    def to_url(self, value: Any) -> str:
        try:
            url = super().to_url(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        matched = unquote(url)
        # A browser resolves dot segments (RFC 3986 section 5.2.4): the URL would lead to another page.
        if re.fullmatch(self.regex, matched, re.DOTALL) is None or {".", ".."}.intersection(matched.split("/")):
            raise ValidationError(f"the URL {url!r} would not match the value {value!r} again")
        self.to_python(matched)
        return url


class StringConverter(LeadsBack, converters.UnicodeConverter):
    """One segment of a path, the default."""


class PathConverter(LeadsBack, converters.PathConverter):
    """The rest of a path, slashes included."""


class AnyConverter(LeadsBack, converters.AnyConverter):
    """One of the items that the rule lists."""


class IntegerConverter(LeadsBack, converters.IntegerConverter):
    """The digits 0 to 9, none of another script, as an int."""

    regex = "[0-9]+"


class FloatConverter(LeadsBack, converters.FloatConverter):
    """Digits, a dot and digits, as a finite float."""

    regex = r"[0-9]+\.[0-9]+"

    def to_python(self, value: str) -> float:
        number: float = super().to_python(value)
        if math.isinf(number):
            raise ValidationError
        return number


class UUIDConverter(LeadsBack, converters.UUIDConverter):
    """A UUID with its dashes."""


#: the converters by their names in rules
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
