"""The language of the templates, and the values that all of them share.

``<<name>>`` is a value; further lines of it are indented as the line that holds it. A line that begins with ``?name``
is there if that value is not empty, one with ``!name`` if it is; both can be repeated, and a space ends them.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from flask_embed.config.commands import commands_of, script_of
from flask_embed.config.deployment import EXTERNAL, bytes_of, name_of, pattern, prefix_of, static_url_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask_embed.config.deployment import Deployment
    from flask_embed.config.server import Server

__all__ = ["filled", "shared_values"]

_CONDITIONS = re.compile(r"(?:((?:[?!]\w+)+) ?)?(.*)")


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its values, ending with one line break."""
    return "\n".join(_lines(template, values)).rstrip("\n") + "\n"


def _lines(template: str, values: Mapping[str, str]) -> Iterator[str]:
    for line in template.strip("\n").split("\n"):
        conditions, text = _CONDITIONS.findall(line)[0]
        if all(bool(values.get(name)) == (mark == "?") for mark, name in re.findall(r"([?!])(\w+)", conditions)):
            found = _with_values(text, values)
            if found or not text:
                yield found.rstrip()


def _with_values(line: str, values: Mapping[str, str]) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return re.sub(r"<<(\w+)>>", lambda match: values[match[1]].replace("\n", f"\n{indent}"), line)


def shared_values(server: Server, deployment: Deployment) -> dict[str, str]:
    """The values that the template of each server may use; a name of :data:`VIAS` is a condition."""
    via, prefix = deployment.via, prefix_of(deployment)
    commands = commands_of(server, deployment)
    values = {
        "app": deployment.app,
        "commands": "\n".join(f"# {shlex.join(command)}" for command in commands),
        "exec": " ".join(map(server.quoted, commands[0])) if commands else "",
        via: "yes",
        "external": "yes" if via in EXTERNAL else "",
        "name": name_of(deployment),
        "prefix": prefix,
        "where": prefix or "/",
        "pattern": pattern(prefix),
        "border": "(/|$)" if prefix else "",
        "server_name": deployment.server_name or "",
        "max_body": str(bytes_of(deployment.max_body)),
        "balanced": "yes" if len(deployment.tcp) > 1 else "",
        "workers": str(deployment.workers),
        "user": deployment.user,
        "group": deployment.group,
    }
    if deployment.static is not None:
        static_url = static_url_of(deployment)
        values["static"] = server.quoted(f"{deployment.static.rstrip('/')}/")
        values["static_url"] = static_url
        values["static_pattern"] = pattern(static_url)
    if deployment.script is not None:
        values["script"] = server.quoted(deployment.script)
        values["script_path"] = deployment.script
        values["script_mounted"] = server.quoted(deployment.script + ("" if prefix else "/"))
        values["script_lines"] = "\n".join(f"#     {line}".rstrip() for line in script_of(deployment).splitlines())
    return values
