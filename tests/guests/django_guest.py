"""The guest written with Django: one configured Django for the process, however many handlers are made."""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.templatetags.static import static
from django.urls import path, reverse
from django.views.static import serve

from tests.guests.blocks import STATIC, Blocks, measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication

#: where the environ of a request has URL patterns in place of those of this module
URLCONF = "guests.urlconf"


def create() -> WSGIApplication:
    """A new handler of the one Django."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["localhost", "127.0.0.1"],
            LOGGING_CONFIG=None,
            MIDDLEWARE=[f"{__name__}.with_urlconf", "django.contrib.sessions.middleware.SessionMiddleware"],
            ROOT_URLCONF=__name__,
            SECRET_KEY="guests",
            SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
            STATIC_URL="static/",  # relative: Django puts the script prefix in front
        )
        django.setup(set_prefix=False)
    # The settings remember the STATIC_URL that the first request asked for; a test begins like a process.
    settings.__dict__.pop("STATIC_URL", None)
    handler: Any = WSGIHandler()
    app: WSGIApplication = handler
    return app


def with_urlconf(get_response: Callable[[Any], HttpResponse]) -> Callable[[Any], HttpResponse]:
    """A middleware of Django that lets the one Django of a process have several sets of URLs."""

    def middleware(request: Any) -> HttpResponse:
        if URLCONF in request.environ:
            request.urlconf = request.environ[URLCONF]
        return get_response(request)

    return middleware


def text(content: str) -> HttpResponse:
    return HttpResponse(content.encode(), content_type="text/plain; charset=utf-8")


def home(request: Any) -> HttpResponse:
    return text(f"{request.META['SCRIPT_NAME']}|{request.path_info}")


def where(request: Any, name: str) -> HttpResponse:
    return text(reverse("echo", kwargs={"name": name}))


def style(request: Any) -> HttpResponse:
    return text(static("style.css"))


def go(request: Any, name: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("echo", kwargs={"name": name}))


def echo(request: Any, name: str) -> HttpResponse:
    return text(name)


def count(request: Any) -> HttpResponse:
    visits = int(request.COOKIES.get("visits", "0")) + 1
    response = text(str(visits))
    response.set_cookie("visits", str(visits), path=reverse("home"))
    return response


def count_in_session(request: Any) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return text(str(request.session["visits"]))


def upload(request: Any) -> HttpResponse:
    return text(measured(request.FILES["file"]))


def stream(request: Any) -> StreamingHttpResponse:
    blocks = Blocks(lambda: str(reverse("echo", kwargs={"name": "x"})))
    return StreamingHttpResponse(blocks, content_type="text/plain")


def broken(request: Any) -> HttpResponse:
    raise RuntimeError("this view is broken")


urlpatterns = [
    path("", home, name="home"),
    path("where/<name>", where),
    path("style", style),
    path("go/<name>", go),
    path("echo/<name>", echo, name="echo"),
    path("count", count),
    path("session", count_in_session),
    path("upload", upload),
    path("stream", stream),
    path("broken", broken),
    path("static/<path:path>", serve, {"document_root": STATIC}),
]
