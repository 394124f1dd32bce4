"""The command ``flask-embed``, also ``python -m flask_embed``: what an app and its mounts would answer, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import get_completion_class

from flask_embed import __version__
from flask_embed.errors import PrefixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication

__all__ = ["main"]

_SHELLS = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/completions/flask-embed.fish"}


class _Command(click.Command):
    """A command whose user's mistakes are one line, and whose help has its example as it is typed."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (UsageError, PrefixError) as error:
            _fail(ctx, str(error))


def _fail(ctx: click.Context, message: str) -> NoReturn:
    click.echo(f"{ctx.command_path}: {message}", err=True)
    ctx.exit(2)


def _takes_app(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments that say what to look into: as the runners take them."""
    for decorate in (
        click.option("--chdir", metavar="DIR", help="Change to this folder first; modules are looked for in it."),
        click.option("--prefix", default="", metavar="/PREFIX", help="The front sends all paths below this prefix."),
        click.option("--mount", "mounts", multiple=True, metavar="KEY=APP", help="Another app, may be repeated."),
        click.argument("app"),
    ):
        command = decorate(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flask_embed", message="%(prog)s %(version)s")
def main() -> None:
    """Look into WSGI apps and their mounts without serving them.

    \b
    flask-embed routes shop:app --mount /blog=blog:app
    flask-embed explain /blog/2026 shop:app --mount /blog=blog:app

    APP is module:attribute, or module:factory() for what a factory returns. Serving is the runners' business:
    python -m flask_embed.gevent --help.
    """


@main.command(cls=_Command)
@_takes_app
def routes(app: str, mounts: tuple[str, ...], prefix: str, chdir: str | None) -> None:
    """List every rule of APP and of the apps mounted in it, with the path that clients ask for.

    \b
    flask-embed routes shop:app
    flask-embed routes "shop:create_app()" --mount /blog=blog:app --mount api.example.com/v1=api:app

    A rule that no request reaches, because a mount is in front of it, is marked with that mount. Guests that are no
    flask_embed apps keep their routes to themselves.
    """
    from flask_embed.middleware.explain import iter_rules

    rows = [("path", "methods", "endpoint", "mount")]
    for rule in iter_rules(_composed(app, mounts, prefix, chdir)):
        place = " > ".join(rule.mounts) + (
            f"  (never asked: {rule.shadowed_by} is in front)" if rule.shadowed_by else ""
        )
        rows.append((rule.path, ", ".join(rule.methods), rule.endpoint, place))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@main.command(cls=_Command)
@click.argument("url")
@_takes_app
@click.option("--method", default="GET", metavar="METHOD", help="Of the request (default: GET).")
def explain(url: str, app: str, mounts: tuple[str, ...], prefix: str, chdir: str | None, method: str) -> None:
    """Say which app answers a request for URL, what it sees, and why no other one does.

    \b
    flask-embed explain /shop/cart home:app --mount /shop=shop:app
    flask-embed explain http://api.example.com/v1/ home:app --mount api.example.com/v1=api:app --method POST

    URL is a path, or has scheme and host too. No app is called.
    """
    from flask_embed.middleware.explain import explain as explained

    composed = _composed(app, mounts, prefix, chdir)
    try:
        click.echo(str(explained(composed, url, method)))
    except ValueError as error:
        raise UsageError(str(error)) from None


@main.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
def completion(shell: str) -> None:
    """Print what makes SHELL complete the words of flask-embed.

    \b
    flask-embed completion bash >> ~/.bashrc
    flask-embed completion zsh >> ~/.zshrc
    flask-embed completion fish > ~/.config/fish/completions/flask-embed.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"there is no completion for {shell}")
    click.echo(found(main, {}, "flask-embed", "_FLASK_EMBED_COMPLETE").source())


def _composed(app: str, mounts: tuple[str, ...], prefix: str, chdir: str | None) -> WSGIApplication:
    """The app as a runner with these arguments would serve it."""
    from flask_embed.middleware.prefix import PrefixMiddleware, normalize_prefix
    from flask_embed.runner import enter, mounted

    enter(chdir)
    composed = mounted(app, mounts, normalize_prefix(prefix).encode("latin-1").decode())[0]
    return PrefixMiddleware(composed, prefix) if prefix else composed
