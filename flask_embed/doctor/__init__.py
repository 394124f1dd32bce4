"""``flask-embed doctor URL``: checks that the web server in front hands requests to an app as it should.

The probe of :mod:`flask_embed.probe` is served in place of the app. :func:`examine` asks it through the front, and
reports what is wrong and which line to change. ``questions`` are the requests, ``client`` sends them, ``checks`` and
``path_checks`` judge the answers, ``known`` recognizes configurations by them, ``report`` writes the result down.

``--json`` prints an object with these keys, of which new ones may come and none will go:

``url``, ``prefix``
    the address that was examined.
``front``
    ``nginx``, ``lighttpd``, ``apache``, or ``""`` where it is not known. ``server`` is its own name for itself, and
    ``gateway`` is true if it speaks CGI or FastCGI to the app (else HTTP).
``ok``, ``faults``, ``notes``
    true if there is no fault, and the numbers of both.
``configuration``
    null, or the ``name`` of a configuration that is known to be wrong, and ``row``, a short code for it.
``checks``
    a list of ``check`` (its name), ``level`` (``ok``, ``note``, ``fault``), ``text``, ``why``, ``detail`` (a list of
    lines) and ``changes`` (a list of ``where`` and ``lines``).

If the probe does not answer, it has ``url``, ``ok`` (false), ``error`` (a word: see
:class:`~flask_embed.doctor.client.UnreachableError`; ``usage`` for a mistyped command) and ``message``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flask_embed.doctor.address import Address
from flask_embed.doctor.checks import NEEDS, judge
from flask_embed.doctor.client import UnreachableError
from flask_embed.doctor.questions import ask_all
from flask_embed.doctor.report import Diagnosis
from flask_embed.errors import UsageError
from flask_embed.probe import VARIABLE, checked_token

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["NEEDS", "Diagnosis", "UnreachableError", "examine"]


def examine(url: str, timeout: float = 10.0, needs: Collection[str] = ()) -> Diagnosis:
    """The verdicts on the front at *url*, which has *timeout* seconds for each request.

    The token is taken from the environment variable FLASK_EMBED_PROBE_TOKEN. *needs* names checks of :data:`NEEDS`
    whose notes are faults for this app. :exc:`~flask_embed.errors.UsageError` for a malformed URL or token; its
    subclass :exc:`~flask_embed.doctor.client.UnreachableError` if the probe does not answer.
    """
    if not 0 < timeout <= 600:
        raise UsageError(f"--timeout {timeout:g}: write a number of seconds above 0, up to 600")
    address = Address.of(url)
    seen = ask_all(address, checked_token(os.environ.get(VARIABLE)), timeout)
    return Diagnosis(seen, judge(seen, needs))
