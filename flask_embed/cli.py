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
    from flask_embed.environ import escape_controls

    click.echo(f"{ctx.command_path}: {escape_controls(message)}", err=True)
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


@main.command(cls=_Command)
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print an object for scripts.")
@click.option("--timeout", default=10.0, show_default=True, metavar="SECONDS", help="For each request.")
@click.option(
    "--needs",
    multiple=True,
    metavar="CHECK",
    help="A note about this is a fault, may be repeated: authorization, chunked, encoded-slash, slashes, streaming.",
)
@click.pass_context
def doctor(ctx: click.Context, url: str, as_json: bool, timeout: float, needs: tuple[str, ...]) -> None:
    """Say what the web server at URL does to requests on their way to the app, and which line to change.

    \b
    export FLASK_EMBED_PROBE_TOKEN=$(python3 -c "import secrets; print(secrets.token_urlsafe())")
    python -m flask_embed.fastcgi flask_embed.probe:app --bind unix:/run/shop/app.sock
    flask-embed doctor https://example.com/shop

    The probe stands where the app stands otherwise: the same runner, the same options. URL is the public address, with
    the prefix that the app is to have. Exit status 0 without a fault, 1 with one, 2 if the probe does not answer.
    """
    import json
    import shutil

    from flask_embed.doctor import NEEDS, UnreachableError, examine

    try:
        for need in needs:
            if need not in NEEDS:
                raise UsageError(f"--needs {need!r}: there are {', '.join(NEEDS)}")
        diagnosis = examine(url, timeout, needs)
    except UsageError as error:
        if as_json:
            kind = error.kind if isinstance(error, UnreachableError) else "usage"
            click.echo(json.dumps({"url": url, "ok": False, "error": kind, "message": str(error)}))
        raise
    if as_json:
        click.echo(json.dumps(diagnosis.as_json(), indent=2))
    else:
        colours = {"ok": "green", "note": "yellow", "fault": "red"}
        width = min(shutil.get_terminal_size((100, 0)).columns, 110)
        for line in diagnosis.lines(width, lambda text, level: click.style(text, fg=colours[level], bold=True)):
            click.echo(line)
    ctx.exit(1 if diagnosis.faults else 0)


@main.command(cls=_Command)
@click.argument("server", type=click.Choice(["nginx", "lighttpd", "apache", "systemd"]))
@click.option("--app", required=True, metavar="APP", help="module:attribute or module:factory().")
@click.option("--prefix", default="", metavar="/PREFIX", help="Where the app is (default: at the root).")
@click.option("--via", type=click.Choice(["fastcgi", "http", "spawn", "cgi", "wsgi"]), help="(default: fastcgi)")
@click.option("--runner", type=click.Choice(["gevent", "tornado"]), help="What speaks HTTP; says --via http as well.")
@click.option("--socket", metavar="PATH", help="The unix socket at which the runner listens.")
@click.option("--tcp", multiple=True, metavar="HOST:PORT", help="Or the port; repeat it for several machines.")
@click.option("--web-server", metavar="LIST", help="Addresses of the web server, for runners on other machines.")
@click.option("--script", metavar="FILE", help="What the web server starts: with --via spawn, cgi or wsgi.")
@click.option("--server-name", metavar="NAME", help="The domain (default: any).")
@click.option("--listen", metavar="[HOST:]PORT", help="Of the web server (default: 80).")
@click.option("--static", metavar="DIR", help="A folder that the web server serves itself.")
@click.option("--static-url", default="/static", metavar="PATH", help="Where, below the prefix (default: /static).")
@click.option("--max-body", default="16m", metavar="SIZE", help="Of a request: 64k, 1g, none (default: 16m).")
@click.option("-w", "--workers", default=1, metavar="N", help="How many processes answer (default: 1).")
@click.option("--chdir", metavar="DIR", help="The folder of the app (default for what is started: this one).")
@click.option("--python", metavar="FILE", help="The Python that has it (default for what is started: this one).")
@click.option("--user", default="www-data", metavar="NAME", help="As whom the app runs: systemd, wsgi.")
@click.option("--group", default="www-data", metavar="NAME", help="The group of the web server.")
def config(server: str, via: str | None, runner: str | None, **values: Any) -> None:
    """Print the configuration of a web server, or of systemd, for an app and the runner that belongs to it.

    \b
    flask-embed config nginx --app shop:app --prefix /shop --socket /run/shop.sock
    flask-embed config nginx --app shop:app --tcp 10.0.0.2:9000 --tcp 10.0.0.3:9000 --web-server 10.0.0.1
    flask-embed config lighttpd --app shop:app --runner gevent --tcp 127.0.0.1:8000
    flask-embed config apache --app shop:app --via wsgi --script /srv/shop/shop.wsgi
    flask-embed config systemd --app shop:app --socket /run/shop.sock --chdir /srv/shop

    The first comment is the command that has to run for it. The app is reached --via fastcgi or http, which that
    command serves; spawn, FastCGI processes that lighttpd or Apache start (mod_fcgid); cgi, a process for each
    request; wsgi, Apache's mod_wsgi.
    """
    from flask_embed.config import Deployment, render

    deployment = Deployment(via=via or ("http" if runner else "fastcgi"), runner=runner or Deployment.runner, **values)
    if runner and deployment.via != "http":
        raise UsageError(f"--runner {runner} speaks HTTP: leave it out for --via {via}")
    click.echo(render(server, deployment), nl=False)


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
    from flask_embed.commands.run import enter, mounted
    from flask_embed.middleware.prefix import PrefixMiddleware, normalize_prefix

    enter(chdir)
    composed = mounted(app, mounts, normalize_prefix(prefix).encode("latin-1").decode())[0]
    return PrefixMiddleware(composed, prefix) if prefix else composed
