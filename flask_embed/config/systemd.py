"""The units of systemd: a socket that it listens at, and the runner that it starts for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask_embed.config.deployment import folder_of
from flask_embed.errors import UsageError
from flask_embed.options import Options

if TYPE_CHECKING:
    from flask_embed.config.deployment import Deployment

TITLE: str = "systemd"
VIAS: tuple[str, ...] = ("fastcgi", "http")
STARTS: tuple[str, ...] = VIAS
SOCKETS: tuple[str, ...] = VIAS
BALANCES: bool = False
LIMITS_BODIES: bool = True
UNSAFE: str = ""

TEMPLATE: str = """
<<commands>>
#
# Two files; then: systemctl daemon-reload && systemctl enable --now <<name>>.socket

# /etc/systemd/system/<<name>>.socket
[Unit]
Description=Socket of <<app>>

[Socket]
ListenStream=<<stream>>
?is_unix SocketMode=0660
?is_unix SocketGroup=<<group>>

[Install]
WantedBy=sockets.target

# /etc/systemd/system/<<name>>.service
[Unit]
Description=<<app>>
Requires=<<name>>.socket
After=network.target <<name>>.socket

[Service]
ExecStart=<<exec>>
ExecReload=kill -HUP $MAINPID
WorkingDirectory=<<folder>>
User=<<user>>
Group=<<group>>
Restart=always
RestartSec=1
# Status 2 is a mistake in the command: starting it again would not help.
RestartPreventExitStatus=2
# Running requests have <<graceful>> seconds to end; then the processes are killed.
KillMode=mixed
TimeoutStopSec=<<stop>>
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=multi-user.target
"""


def quoted(text: str) -> str:
    """The value as it is if each character stands for itself, else escaped and in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[\w@%+=:,./$-]+", text) else f'"{escaped}"'


def check(deployment: Deployment) -> None:
    """Raise UsageError for values of web servers, and for paths that end with a backslash or a space."""
    for option, value in (
        ("--server-name", deployment.server_name),
        ("--listen", deployment.listen),
        ("--static", deployment.static),
    ):
        if value is not None:
            raise UsageError(f"{option} {value} is for a web server; leave it out for systemd")
    for option, path in (("--socket", deployment.socket), ("--chdir", folder_of(deployment))):
        if path is not None and path.endswith(("\\", " ")):
            raise UsageError(f"{option} {path!r} ends with {path[-1]!r}, which systemd would drop; use another name")


def values(deployment: Deployment) -> dict[str, str]:
    """The socket, the folder and the times."""
    return {
        "folder": folder_of(deployment).replace("%", "%%"),
        "stream": (deployment.socket or deployment.tcp[0]).replace("%", "%%"),
        "is_unix": deployment.socket or "",
        "graceful": f"{Options.graceful_timeout:g}",
        "stop": f"{Options.graceful_timeout + 5:g}",
    }
