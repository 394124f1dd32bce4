"""The commands that belong to a configuration, and the file that a web server starts."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from flask_embed.config.deployment import EXTERNAL, folder_of, prefix_of, python_of

if TYPE_CHECKING:
    from flask_embed.config.deployment import Deployment
    from flask_embed.config.server import Server

__all__ = ["commands_of", "script_of"]


def commands_of(server: Server, deployment: Deployment) -> list[list[str]]:
    """The runners of a checked deployment: one for each backend, none for mod_wsgi."""
    via, starts = deployment.via, deployment.via in server.STARTS
    if via == "wsgi":
        return []
    command = _command(deployment, starts)
    if via not in EXTERNAL:
        return [command]
    if deployment.workers > 1:
        command += ["--workers", str(deployment.workers)]
    if via == "http":
        if deployment.prefix.strip("/"):
            command += ["--prefix", prefix_of(deployment)]
        command += ["--trust-proxy", "1"]
    if not server.LIMITS_BODIES and deployment.max_body != "none":
        command += ["--limit-body", deployment.max_body]
    if deployment.socket is not None:
        if via == "http":
            command += ["--forwarded-allow-ips", "unix"]
        if not starts:
            command += ["--bind", f"unix:{deployment.socket}", "--socket-group", deployment.group]
        return [command]
    peers = deployment.web_server
    if peers is None and via == "http" and deployment.tcp[0].startswith("["):
        peers = "::1"
    if peers is not None:
        command += ["--forwarded-allow-ips" if via == "http" else "--web-server-addrs", peers]
    if starts:
        return [command]
    return [[*command, "--bind", address] for address in deployment.tcp]


def _command(deployment: Deployment, starts: bool) -> list[str]:
    """The runner, the app and its folder: in full where a server *starts* it, else as it is typed."""
    runner = {"http": deployment.runner, "spawn": "fastcgi"}.get(deployment.via, deployment.via)
    python = python_of(deployment) if starts else deployment.python or "python"
    folder = folder_of(deployment) if starts else deployment.chdir
    return [python, "-m", f"flask_embed.{runner}", deployment.app, *(["--chdir", folder] if folder else [])]


def script_of(deployment: Deployment) -> str:
    """The content of the file that the web server starts: a shell script, for mod_wsgi a module."""
    if deployment.via == "wsgi":
        module, _, name = deployment.app.partition(":")
        first, dot, rest = name.removesuffix("()").partition(".")
        made = first + dot + rest + ("()" if name.endswith("()") else "")
        return (
            "from flask_embed.middleware import StrictEnviron\n"
            f"from {module} import {first}\n\n"
            f"application = StrictEnviron({made})\n"
        )
    return f"#!/bin/sh\nexec {shlex.join(_command(deployment, True))}\n"
