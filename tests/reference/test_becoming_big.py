"""The chapter Becoming Big: what it proposes for large applications can be built on the class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flask_embed import Flask, request, url_for

if TYPE_CHECKING:
    from tests.reference.project import Project


@pytest.mark.section("Becoming Big / What Could Be Improved?")
def test_endpoints_may_have_dotted_names() -> None:
    app = Flask(__name__)

    @app.route("/", endpoint="frontend.index")
    def index() -> str:
        return url_for("admin.index")

    @app.route("/admin/", endpoint="admin.index")
    def admin_index() -> str:
        return f"{request.endpoint} {url_for('frontend.index')}"

    client = app.test_client()

    assert client.get("/").text == "/admin/"
    assert client.get("/admin/").text == "admin.index /"


@pytest.mark.section("Becoming Big / What Could Be Improved?")
def test_all_urls_may_stand_in_one_module_whose_views_are_imported_when_needed(project: Project) -> None:
    project.write(
        "urls.py",
        """
        from importlib import import_module

        from flask_embed import Flask

        app = Flask(__name__)

        def view(name):
            def call(**values):
                module, function = name.split(":")
                return getattr(import_module(module), function)(**values)
            return call

        for rule, endpoint in [("/", "pages:index"), ("/user/<name>", "users:show")]:
            app.add_url_rule(rule, endpoint)
            app.view_functions[endpoint] = view(endpoint)
        """,
    )
    client = project.load("urls").app.test_client()
    project.write("pages.py", 'def index():\n    return "the index"\n')
    project.write("users.py", 'def show(name):\n    return f"user {name}"\n')

    assert client.get("/").text == "the index"
    assert client.get("/user/ada").text == "user ada"


@pytest.mark.section("Becoming Big / What Could Be Improved?")
def test_a_subclass_may_pass_the_request_explicitly() -> None:
    class Explicit(Flask):
        def dispatch_request(self) -> Any:
            endpoint, values = self.match_request()
            return self.view_functions[endpoint](request, **values)

    app = Explicit(__name__)

    @app.route("/user/<name>")
    def show(request: Any, name: str) -> str:
        return f"{name} by {request.method}"

    client = app.test_client()

    assert client.get("/user/ada").text == "ada by GET"
    assert client.get("/missing").status_code == 404
