"""Templates: Jinja2 with everything escaped, and the names that every template of an app has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment
from jinja2.utils import LRUCache

from flask_embed import ctx

if TYPE_CHECKING:
    from jinja2 import Template

    from flask_embed.app import Flask

__all__ = ["create_environment", "render_template", "render_template_string"]


def create_environment(app: Flask) -> Environment:
    """The Jinja2 environment of *app*, with its options and its loader."""
    from flask_embed.helpers import get_flashed_messages, url_for

    environment = Environment(loader=app.create_jinja_loader(), **app.jinja_options)  # noqa: S701 autoescape is an option
    environment.globals.update(url_for=url_for, get_flashed_messages=get_flashed_messages)
    return environment


def render_template(template_name: str, **context: Any) -> str:
    """The text of a template from the app's *templates* folder, rendered with *context*.

    Raises :exc:`jinja2.TemplateNotFound`; needs a request, as ``request`` and ``url_for`` do::

        return render_template("hello.html", name=name)
    """
    app = ctx.current_context().app
    return _render(app, app.jinja_env.get_template(template_name), context)


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
