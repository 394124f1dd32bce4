"""Templates: Jinja2 with everything escaped, and the names that every template of an app has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, Template
from jinja2.utils import LRUCache

from flask_embed import ctx

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2.environment import TemplateModule
    from jinja2.runtime import Context

    from flask_embed.app import Flask
    from flask_embed.registry import Registry

__all__ = ["create_environment", "render_template", "render_template_string"]


def create_environment(app: Registry) -> Environment:
    """The Jinja2 environment of *app*, with its options and its loader. It escapes unless the options say otherwise."""
    from flask_embed.helpers import get_flashed_messages, json_dumps, url_for

    options = {"autoescape": True, "loader": app.create_jinja_loader(), **app.jinja_options}
    environment = Environment(**options)  # noqa: S701 autoescape is among the options
    environment.template_class = _Template
    environment.globals.update(
        url_for=url_for,
        get_flashed_messages=get_flashed_messages,
        request=ctx.request,
        session=ctx.session,
        g=ctx.g,
    )
    environment.policies["json.dumps_function"] = json_dumps
    environment.policies["json.dumps_kwargs"] = {}  # sorting fails for keys of several types, which jsonify takes
    return environment


class _Template(Template):
    """A template whose macros are made anew for each template that imports them.

    Jinja2 keeps the module of an imported template. What its top level has read of ``request``, ``session`` or ``g``
    (``{% set user = session.user %}``) would be shown to every visitor after the first one.
    """

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        if self.environment.is_async:
            return super()._get_default_module(ctx)  # an error, which says so
        return self.make_module(self._passed_on(ctx))

    async def _get_default_module_async(self, ctx: Context | None = None) -> TemplateModule:
        return await self.make_module_async(self._passed_on(ctx))

    def _passed_on(self, ctx: Context | None) -> dict[str, Any]:
        """The globals that the importing template has beyond those of the environment."""
        return {} if ctx is None else {name: ctx.parent[name] for name in ctx.globals_keys - self.globals.keys()}


def render_template(template_name: str | Iterable[str], **context: Any) -> str:
    """The text of a template from the app's *templates* folder, rendered with *context*.

    Of a list of names the first template that exists is taken. Raises :exc:`jinja2.TemplateNotFound`. Needs a request,
    as ``request`` and ``url_for`` do::

        return render_template("hello.html", name=name)
        return render_template([f"themes/{theme}/hello.html", "hello.html"], name=name)
    """
    app = ctx.current_context().app
    environment = app.jinja_env
    if isinstance(template_name, str):
        return _render(app, environment.get_template(template_name), context)
    return _render(app, environment.select_template(template_name), context)


def render_template_string(source: str, **context: Any) -> str:
    """The text of a template given as a string, escaped like any other.

    A template is code: never build *source* from what a client sent, pass that as a value::

        render_template_string("Hello {{ name }}!", name=request.args.get("name"))
    """
    app = ctx.current_context().app
    return _render(app, _compiled(app.jinja_env, source), context)


#: templates given as strings that are kept for each environment, those that were used last
_KEPT = 100
#: a longer one is compiled each time, so that what is kept is bounded too
_LONGEST_KEPT = 20_000


def _compiled(environment: Environment, source: str) -> Template:
    """The template that *source* is: compiled once, as long as it is among those that are used."""
    if len(source) > _LONGEST_KEPT:
        return environment.from_string(source)
    try:
        kept: LRUCache = environment.flask_embed_strings  # type: ignore[attr-defined]
    except AttributeError:
        environment.extend(flask_embed_strings=(kept := LRUCache(_KEPT)))
    key = (source, environment, environment.autoescape)  # an overlay of an environment has the same attributes
    template: Template | None = kept.get(key)
    if template is None:
        template = kept[key] = environment.from_string(source)
    return template


def _render(app: Flask, template: Template, context: dict[str, Any]) -> str:
    app.update_template_context(context)
    return template.render(context)
