"""All that relies on private names of Jinja2, apart from _werkzeug.py: an app without templates does not load it.

tests/core/test_werkzeug.py has a test that fails when Jinja2 changes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Template

if TYPE_CHECKING:
    from jinja2.environment import TemplateModule
    from jinja2.runtime import Context

__all__ = ["FreshTemplate"]


class FreshTemplate(Template):
    """A template whose macros are made anew for each template that imports them.

    Jinja2 keeps the module of an imported template. The values that its top level has read from ``request``,
    ``session`` or ``g`` (``{% set user = session.user %}``) would be shown to every later visitor. Jinja2 has no public
    way to turn that off.
    """

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        if self.environment.is_async:
            return super()._get_default_module(ctx)  # raises an error that explains it
        return self.make_module(_own_globals(self, ctx))

    async def _get_default_module_async(self, ctx: Context | None = None) -> TemplateModule:
        return await self.make_module_async(_own_globals(self, ctx))


def _own_globals(template: Template, ctx: Context | None) -> dict[str, Any]:
    """The globals that the importing template has beyond those of the environment."""
    return {} if ctx is None else {name: ctx.parent[name] for name in ctx.globals_keys - template.globals.keys()}
