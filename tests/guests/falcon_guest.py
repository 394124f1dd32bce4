"""The guest written with Falcon, which has no URL building: it is done by hand from ``req.root_path``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import falcon
from falcon import uri

from tests.guests.blocks import STATIC, Blocks, measured

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from falcon import Request, Response


def create() -> WSGIApplication:
    """A new app."""
    app = falcon.App(media_type=falcon.MEDIA_TEXT)
    app.add_route("/", Home())
    app.add_route("/where/{name}", Where())
    app.add_route("/style", Style())
    app.add_route("/go/{name}", Go())
    app.add_route("/echo/{name}", Echo())
    app.add_route("/count", Count())
    app.add_route("/upload", Upload())
    app.add_route("/stream", Stream())
    app.add_route("/broken", Broken())
    app.add_static_route("/static", STATIC)
    return app


def url(req: Request, name: str) -> str:
    return f"{uri.encode(req.root_path)}/echo/{uri.encode_value(name)}"


class Home:
    def on_get(self, req: Request, resp: Response) -> None:
        resp.text = f"{req.root_path}|{req.path}"


class Where:
    def on_get(self, req: Request, resp: Response, name: str) -> None:
        resp.text = url(req, name)


class Style:
    def on_get(self, req: Request, resp: Response) -> None:
        resp.text = f"{uri.encode(req.root_path)}/static/style.css"


class Go:
    def on_get(self, req: Request, resp: Response, name: str) -> None:
        raise falcon.HTTPFound(url(req, name))


class Echo:
    def on_get(self, req: Request, resp: Response, name: str) -> None:
        resp.text = name


class Count:
    def on_post(self, req: Request, resp: Response) -> None:
        visits = int(req.cookies.get("visits", "0")) + 1
        resp.set_cookie("visits", str(visits), path=uri.encode(req.root_path) or "/", secure=False)
        resp.text = str(visits)


class Upload:
    def on_post(self, req: Request, resp: Response) -> None:
        for part in req.get_media():
            if part.name == "file":
                resp.text = measured(part.stream)


class Stream:
    def on_get(self, req: Request, resp: Response) -> None:
        resp.stream = Blocks(lambda: url(req, "x"))


class Broken:
    def on_get(self, req: Request, resp: Response) -> None:
        raise RuntimeError("this view is broken")
