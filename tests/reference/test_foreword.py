"""The chapter Foreword: what it says about conventions, about code outside of requests, and about HTML."""

from __future__ import annotations

import pytest

from flask_embed import Flask, Markup, render_template_string, request, url_for


@pytest.mark.section("Foreword / What does Micro Mean?")
def test_code_outside_of_a_request_is_told_what_to_do() -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "index")

    with pytest.raises(RuntimeError, match="test_request_context"):
        str(request.path)
    with pytest.raises(RuntimeError, match=r"app\.url_for"):
        url_for("index")
    with app.test_request_context():
        assert (request.path, url_for("index")) == ("/", "/")


@pytest.mark.section("Foreword / Web Development is Dangerous")
def test_html_is_escaped_unless_it_is_marked_as_safe() -> None:
    script = "<script>alert(1)</script>"
    app = Flask(__name__)

    @app.route("/")
    def index() -> str:
        return render_template_string("{{ args }}|{{ safe }}", args=request.args["q"], safe=Markup("<b>"))

    response = app.test_client().get("/", query_string={"q": script})

    assert response.text == "&lt;script&gt;alert(1)&lt;/script&gt;|<b>"
