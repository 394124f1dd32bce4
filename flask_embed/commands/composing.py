"""From the texts of a command line to one WSGI app: APP, ``--mount``, ``--prefix`` and ``--chdir``."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import TYPE_CHECKING

from flask_embed.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed.wsgi import WSGIApplication

    from flask_embed.options import Options

__all__ = ["compose", "enter", "load_mounted", "load_prefixed", "warn_of_hidden_rules"]


def enter(folder: str | None) -> None:
    """Change to the folder of ``--chdir``, None for the current one, and import modules from it first."""
    try:
        os.chdir(folder or ".")
    except OSError as error:
        raise UsageError(f"--chdir {folder}: {error.strerror}") from None
    sys.path.insert(0, os.getcwd())


def compose(target: str, mounts: Sequence[str], options: Options) -> tuple[WSGIApplication, Options]:
    """The app of *target* with its mounts, and *options* with their prefixes normalised and the keys of the mounts.

    The app is not wrapped in the prefixes: a server does that, within its gate.
    """
    script_name, prefix = _as_text(options.script_name), _as_text(options.prefix)
    if prefix and script_name.endswith(prefix):
        raise UsageError(
            f"--prefix {options.prefix} and SCRIPT_NAME {options.script_name} both contain {prefix}: use --prefix if "
            "the front sends the prefix, or --script-name if the front removes it"
        )
    app, keys = load_mounted(target, mounts, script_name + prefix)
    if options.script_name == "/" and "nginx-path-info" in options.fix:
        script_name = "/"  # at the root, which the fixer cannot know by itself
    return app, dataclasses.replace(options, prefix=prefix, script_name=script_name, mounts=keys)


def load_mounted(target: str, mounts: Sequence[str], prefix: str) -> tuple[WSGIApplication, tuple[str, ...]]:
    """The app of *target* with the apps of the ``KEY=APP`` texts mounted in it, and the keys of its mounts.

    All modules are imported now. A factory gets *prefix*, the place of the whole, with the prefix of its own mount.
    """
    from flask_embed.loading import load_app

    app = load_app(target, prefix)
    if not mounts and "flask_embed.middleware.dispatcher" not in sys.modules:
        return app, ()  # the module is not loaded, so the app is not a dispatcher
    from flask_embed.middleware.dispatcher import DispatcherMiddleware

    if mounts:
        dispatcher = DispatcherMiddleware(app)
        for mount in mounts:
            key, equals, mounted_target = mount.partition("=")
            if not equals:
                raise UsageError(f"--mount {mount!r}: write /PREFIX=module:app")
            dispatcher.mount(key, mounted_target)
        dispatcher.preload(prefix)
        app = dispatcher
    return app, tuple(app.mounts) if isinstance(app, DispatcherMiddleware) else ()


def load_prefixed(target: str, mounts: Sequence[str], prefix: str) -> WSGIApplication:
    """The app of *target* with its mounts below *prefix*, as a server with these arguments would call it."""
    from flask_embed.middleware.prefix import PrefixMiddleware

    app, _ = load_mounted(target, mounts, _as_text(prefix))
    return PrefixMiddleware(app, prefix) if prefix else app


def warn_of_hidden_rules(app: WSGIApplication) -> None:
    """Report on stderr each rule whose paths all belong to a mount."""
    from flask_embed.middleware.explain import iter_rules

    for rule in iter_rules(app):
        if rule.shadowed_by:
            print(
                f"flask_embed: the mount {rule.shadowed_by!r} hides the rule {rule.path!r} (endpoint "
                f"{rule.endpoint!r}): change the path of one of them",
                file=sys.stderr,
            )


def _as_text(prefix: str) -> str:
    """The normalised form of a prefix as text; :func:`normalize_prefix` has it as a WSGI string."""
    from flask_embed.middleware.prefix import normalize_prefix

    return normalize_prefix(prefix).encode("latin-1").decode()
