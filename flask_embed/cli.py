"""The command ``flask-embed``, also ``python -m flask_embed``: tools for apps, their mounts and their web servers."""

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
    """A command that reports a mistake of its user on one line, with the exit status 2."""

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
    """Add the arguments that name an app and its mounts, as the runners have them."""
    for decorate in (
        click.option("--chdir", metavar="DIR", help="Change to this folder first; modules are imported from it."),
        click.option("--prefix", default="", metavar="/PREFIX", help="The front sends all paths with this prefix."),
        click.option("--mount", "mounts", multiple=True, metavar="KEY=APP", help="Another app; may be repeated."),
        click.argument("app"),
    ):
        command = decorate(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flask_embed", message="%(prog)s %(version)s")
def main() -> None:
    """Show the routes of WSGI apps and their mounts, and configure and check the web server in front.

    \b
    flask-embed routes shop:app --mount /blog=blog:app
    flask-embed explain /blog/2026 shop:app --mount /blog=blog:app

    APP is module:attribute, or module:factory() for what a factory returns. The runners serve it:
    python -m flask_embed.gevent --help.
    """


@main.command(cls=_Command)
@_takes_app
def routes(app: str, mounts: tuple[str, ...], prefix: str, chdir: str | None) -> None:
    """List every rule of APP and of the apps mounted in it, with its public path.

    \b
    flask-embed routes shop:app
    flask-embed routes "shop:create_app()" --mount /blog=blog:app --mount api.example.com/v1=api:app

    A rule whose paths belong to a mount is marked with that mount. Only flask_embed apps have rules to list: the
    routes of other guests are unknown.
    """
    from flask_embed.commands.routes import route_lines

    for line in route_lines(_load(app, mounts, prefix, chdir)):
        click.echo(line)


@main.command(cls=_Command)
@click.argument("url")
@_takes_app
@click.option("--method", default="GET", metavar="METHOD", help="The method of the request (default: GET).")
def explain(url: str, app: str, mounts: tuple[str, ...], prefix: str, chdir: str | None, method: str) -> None:
    """Show which app answers a request for URL, the environ it gets, and why each other app does not.

    \b
    flask-embed explain /shop/cart home:app --mount /shop=shop:app
    flask-embed explain http://api.example.com/v1/ home:app --mount api.example.com/v1=api:app --method POST

    URL is a path, or has a scheme and a host as well. No app is called.
    """
    from flask_embed.middleware.explain import explain as explain_request

    loaded = _load(app, mounts, prefix, chdir)
    try:
        click.echo(str(explain_request(loaded, url, method)))
    except ValueError as error:
        raise UsageError(str(error)) from None


@main.command(cls=_Command)
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, for scripts.")
@click.option("--timeout", default=10.0, show_default=True, metavar="SECONDS", help="The time for each request.")
@click.option(
    "--needs",
    multiple=True,
    metavar="CHECK",
    help="Report a note on this as a fault; may be repeated. One of authorization, chunked, encoded-slash, slashes, "
    "streaming.",
)
@click.pass_context
def doctor(ctx: click.Context, url: str, as_json: bool, timeout: float, needs: tuple[str, ...]) -> None:
    """Report how the web server at URL changes requests on their way to the app, and the lines to correct.

    \b
    export FLASK_EMBED_PROBE_TOKEN=$(python3 -c "import secrets; print(secrets.token_urlsafe())")
    python -m flask_embed.fastcgi flask_embed.probe:app --bind unix:/run/shop/app.sock
    flask-embed doctor https://example.com/shop

    The probe runs in the place of the app: with the same runner and the same options. URL is the public address, with
    the prefix of the app. The exit status is 0 without a fault, 1 with one, 2 if the probe does not answer.
    """
    from flask_embed.commands.doctor import run_doctor

    ctx.exit(run_doctor(url, timeout, needs, as_json=as_json))


@main.command(cls=_Command)
@click.argument("server", type=click.Choice(["nginx", "lighttpd", "apache", "systemd"]))
@click.option("--app", required=True, metavar="APP", help="module:attribute or module:factory().")
@click.option("--prefix", default="", metavar="/PREFIX", help="The prefix of the app (default: the root).")
@click.option(
    "--via",
    type=click.Choice(["fastcgi", "http", "spawn", "cgi", "wsgi"]),
    help="The way to the app (default: fastcgi).",
)
@click.option(
    "--runner", type=click.Choice(["gevent", "tornado"]), help="The runner that speaks HTTP; implies --via http."
)
@click.option("--socket", metavar="PATH", help="The unix socket that the runner listens on.")
@click.option("--tcp", multiple=True, metavar="HOST:PORT", help="Or its address; repeat it for several runners.")
@click.option("--web-server", metavar="LIST", help="Addresses of the web server, for runners on other machines.")
@click.option("--script", metavar="FILE", help="The file that the web server starts: with --via spawn, cgi or wsgi.")
@click.option("--server-name", metavar="NAME", help="The domain (default: any).")
@click.option("--listen", metavar="[HOST:]PORT", help="The port of the web server (default: 80).")
@click.option("--static", metavar="DIR", help="A folder that the web server serves itself.")
@click.option(
    "--static-url",
    default="/static",
    metavar="PATH",
    help="The path of that folder below the prefix (default: /static).",
)
@click.option(
    "--max-body", default="16m", metavar="SIZE", help="The longest body of a request: 64k, 1g, none (default: 16m)."
)
@click.option("-w", "--workers", default=1, metavar="N", help="The number of processes that answer (default: 1).")
@click.option(
    "--chdir", metavar="DIR", help="The folder of the app (default, where a process is started: the current one)."
)
@click.option(
    "--python", metavar="FILE", help="The Python that runs the app (default, where a process is started: this one)."
)
@click.option("--user", default="www-data", metavar="NAME", help="The user that the app runs as: systemd, wsgi.")
@click.option("--group", default="www-data", metavar="NAME", help="The group of the web server.")
def config(server: str, via: str | None, runner: str | None, **values: Any) -> None:
    """Print the configuration of a web server, or of systemd, for an app and its runner.

    \b
    flask-embed config nginx --app shop:app --prefix /shop --socket /run/shop.sock
    flask-embed config nginx --app shop:app --tcp 10.0.0.2:9000 --tcp 10.0.0.3:9000 --web-server 10.0.0.1
    flask-embed config lighttpd --app shop:app --runner gevent --tcp 127.0.0.1:8000
    flask-embed config apache --app shop:app --via wsgi --script /srv/shop/shop.wsgi
    flask-embed config systemd --app shop:app --socket /run/shop.sock --chdir /srv/shop

    The first comment is the command that has to run. The ways to the app, --via: fastcgi or http, which that command
    serves; spawn, FastCGI processes that lighttpd or Apache (mod_fcgid) start; cgi, a process for each request; wsgi,
    Apache's mod_wsgi.
    """
    from flask_embed.config import Deployment, render

    deployment = Deployment(via=via or ("http" if runner else "fastcgi"), runner=runner or Deployment.runner, **values)
    if runner and deployment.via != "http":
        raise UsageError(f"--runner {runner} speaks HTTP: leave it out for --via {via}")
    click.echo(render(server, deployment), nl=False)


@main.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete the commands and options of flask-embed.

    \b
    flask-embed completion bash >> ~/.bashrc
    flask-embed completion zsh >> ~/.zshrc
    flask-embed completion fish > ~/.config/fish/completions/flask-embed.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"click has no completion for {shell}")
    click.echo(found(main, {}, "flask-embed", "_FLASK_EMBED_COMPLETE").source())


def _load(app: str, mounts: tuple[str, ...], prefix: str, chdir: str | None) -> WSGIApplication:
    from flask_embed.commands.composing import enter, load_prefixed

    enter(chdir)
    return load_prefixed(app, mounts, prefix)
