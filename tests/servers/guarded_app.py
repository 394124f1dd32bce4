"""Two apps mounted side by side: one for everybody, and one that the rules of a web server are to guard."""

from __future__ import annotations

from flask_embed import Flask
from flask_embed.middleware import DispatcherMiddleware

shop = Flask("shop")
admin = Flask("admin")
#: what is served: ``/shop`` and ``/admin``, and nothing else
app = DispatcherMiddleware(None, {"/shop": shop, "/admin": admin})


@shop.route("/")
def welcome() -> str:
    return "a view of the shop"


@admin.route("/files/<path:p>")
def file(p: str) -> str:
    return f"a view of the admin, with {p}"
