"""The table of ``flask-embed routes``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_embed.middleware.explain import iter_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed.wsgi import WSGIApplication

__all__ = ["route_lines"]


def route_lines(app: WSGIApplication) -> Iterator[str]:
    """A heading, then a line for each rule of *app* and of the apps mounted in it, in columns."""
    rows = [("path", "methods", "endpoint", "mount")]
    for rule in iter_rules(app):
        mount = " > ".join(rule.mounts)
        if rule.shadowed_by:
            mount += f"  (hidden by the mount {rule.shadowed_by})"
        rows.append((rule.path, ", ".join(rule.methods), rule.endpoint, mount))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
