"""refuse_cross_origin: whose forms and scripts may change something."""

from __future__ import annotations

import pytest

from flask_embed import Flask, refuse_cross_origin


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.before_request(refuse_cross_origin)
    app.add_url_rule("/", "index", methods=["GET", "POST", "PUT", "DELETE", "PATCH"], view_func=lambda: "answered")
    return app


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "nonsense"},
        {"Sec-Fetch-Site": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://evil.example/localhost"},
        {"Origin": "http://localhost:8000"},
        {"Origin": "localhost"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_change_that_another_site_asks_for_is_refused(app: Flask, method: str, headers: dict[str, str]) -> None:
    response = app.test_client().open("/", method=method, headers=headers)

    assert response.status_code == 403
    assert "from a page of another site" in response.text
    assert "evil" not in response.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://renamed.by.a.front"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
        {"Origin": "https://localhost"},
        {"Origin": "http://LOCALHOST"},
    ],
    ids=str,
)
def test_a_change_of_our_own_is_made(app: Flask, headers: dict[str, str]) -> None:
    assert app.test_client().post("/", headers=headers).text == "answered"


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("shop.example:8000", "http://shop.example:8000"),
        ("SHOP.example", "http://shop.example"),
        ("shop.example:80", "http://shop.example"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("xn--bro-hoa.example", "https://xn--bro-hoa.example"),
    ],
)
def test_the_origin_is_compared_with_the_host_of_the_request(app: Flask, host: str, origin: str) -> None:
    client = app.test_client()

    assert client.post("/", headers={"Host": host, "Origin": origin}).status_code == 200
    assert client.post("/", headers={"Host": f"x{host}", "Origin": origin}).status_code in (400, 403)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_links_from_elsewhere_are_welcome(app: Flask, method: str) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}

    assert app.test_client().open("/", method=method, headers=headers).status_code == 200


def test_the_refusal_is_an_error_that_the_app_can_word(app: Flask) -> None:
    app.errorhandler(403)(lambda: ("not yours", 403))

    response = app.test_client().post("/", headers={"Sec-Fetch-Site": "cross-site"})

    assert (response.status_code, response.text) == (403, "not yours")
