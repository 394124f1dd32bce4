"""Templates: Jinja2 with autoescape on, and the names that all templates of an app have."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, Template

from flask_embed import ctx
from flask_embed._jinja import FreshTemplate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask_embed.app import Flask
    from flask_embed.registry import Registry

__all__ = ["create_environment", "render_template", "render_template_string"]


def create_environment(app: Registry) -> Environment:
    """The Jinja2 environment of *app*, with its options and its loader. It escapes unless the options turn that off."""
    from flask_embed.helpers import get_flashed_messages, json_dumps, url_for

    options = {"autoescape": True, "loader": app.create_jinja_loader(), **app.jinja_options}
    environment = Environment(**options)  # noqa: S701 autoescape is among the options
    environment.template_class = FreshTemplate
    environment.globals.update(
        url_for=url_for,
        get_flashed_messages=get_flashed_messages,
        request=ctx.request,
        session=ctx.session,
        g=ctx.g,
    )
    environment.policies["json.dumps_function"] = json_dumps
    environment.policies["json.dumps_kwargs"] = {}  # sorting fails for keys of several types, which jsonify accepts
    return environment


def render_template(template_name: str | Iterable[str], **context: Any) -> str:
    """The text of a template from the app's *templates* folder, rendered with *context*.

    Of a list of names the first template that exists is used. Raises :exc:`jinja2.TemplateNotFound`. It needs a
    request, as ``request`` and ``url_for`` do::

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

    A template is code: never build *source* from a client's input, pass that as a value::

        render_template_string("Hello {{ name }}!", name=request.args.get("name"))
    """
    app = ctx.current_context().app
    return _render(app, _compiled(app.jinja_env, source), context)


#: the most templates given as strings that are kept for each environment; the last used ones
_KEPT = 100
#: the most characters of one that is kept
_LONGEST_KEPT = 20_000


def _compiled(environment: Environment, source: str) -> Template:
    """The template of *source*, compiled once while it is among the last used ones."""
    if len(source) > _LONGEST_KEPT:
        return environment.from_string(source)
    try:
        compiled: Callable[..., Template] = environment.flask_embed_strings  # type: ignore[attr-defined]
    except AttributeError:
        environment.extend(flask_embed_strings=(compiled := lru_cache(_KEPT)(_from_string)))
    return compiled(source, environment, environment.autoescape)


def _from_string(source: str, environment: Environment, autoescape: object) -> Template:
    """The template of *source*; the other arguments distinguish what an overlay of an environment shares with it."""
    return environment.from_string(source)


def _render(app: Flask, template: Template, context: dict[str, Any]) -> str:
    app.update_template_context(context)
    return template.render(context)
