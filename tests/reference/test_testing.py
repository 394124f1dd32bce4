"""The chapter Testing Flask Applications: the test case for the tutorial's app, as it grows."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING, Any

import pytest

from tests.reference.microblog import write_microblog
from tests.reference.servers import run

if TYPE_CHECKING:
    from tests.reference.project import Project

SKELETON = """
import tempfile
import unittest

import flaskr

class FlaskrTestCase(unittest.TestCase):
    def setUp(self):
        self.db = tempfile.NamedTemporaryFile()
        self.addCleanup(self.db.close)
        self.app = flaskr.app.test_client()
        flaskr.DATABASE = self.db.name
        flaskr.init_db()
"""

FIRST_TEST = """
def test_empty_db(self):
    rv = self.app.get("/")
    assert b"No entries here so far" in rv.data
"""

LOGIN = """
def login(self, username, password):
    data = dict(username=username, password=password)
    return self.app.post("/login", data=data, follow_redirects=True)

def logout(self):
    return self.app.get("/logout", follow_redirects=True)

def test_login_logout(self):
    rv = self.login(flaskr.USERNAME, flaskr.PASSWORD)
    assert b"You were logged in" in rv.data
    rv = self.logout()
    assert b"You were logged out" in rv.data
    rv = self.login(flaskr.USERNAME + "x", flaskr.PASSWORD)
    assert b"Invalid username" in rv.data
    rv = self.login(flaskr.USERNAME, flaskr.PASSWORD + "x")
    assert b"Invalid password" in rv.data
"""

MESSAGES = """
def test_messages(self):
    self.login(flaskr.USERNAME, flaskr.PASSWORD)
    data = dict(title="<Hello>", text="<strong>HTML</strong> allowed here")
    rv = self.app.post("/add", data=data, follow_redirects=True)
    assert b"No entries here so far" not in rv.data
    assert b"&lt;Hello&gt;" in rv.data
    assert b"<strong>HTML</strong> allowed here" in rv.data
"""

FAILING = """
def test_wrong_claim(self):
    assert b"a thousand entries" in self.app.get("/").data
"""

MAIN = """
if __name__ == "__main__":
    unittest.main()
"""


def output(project: Project, *tests: str) -> str:
    """The output of the test module as a script, with these tests in its class."""
    write_microblog(project)
    methods = "".join(indent(test, "    ") for test in tests)
    project.write("flaskr_tests.py", SKELETON + methods + MAIN)
    return run("flaskr_tests.py", folder=project.folder).stderr


@pytest.mark.section("Testing / The Testing Skeleton", "Tutorial / Bonus: Testing the Application")
def test_the_skeleton_runs_without_a_test(project: Project) -> None:
    assert "Ran 0 tests in" in output(project)


@pytest.mark.section("Testing / The First Test")
def test_the_first_test_passes(project: Project) -> None:
    printed = output(project, FIRST_TEST)

    assert printed.startswith(".\n")
    assert "Ran 1 test in" in printed
    assert printed.endswith("\nOK\n")


@pytest.mark.section("Testing / Test Adding Messages")
def test_all_three_tests_pass(project: Project) -> None:
    printed = output(project, FIRST_TEST, LOGIN, MESSAGES)

    assert printed.startswith("...\n")
    assert "Ran 3 tests in" in printed
    assert printed.endswith("\nOK\n")


@pytest.mark.section("Testing / The First Test")
def test_a_wrong_claim_fails(project: Project) -> None:
    printed = output(project, FIRST_TEST, FAILING)

    assert "Ran 2 tests in" in printed
    assert printed.endswith("\nFAILED (failures=1)\n")


@pytest.fixture
def flaskr(project: Project) -> Any:
    """The module of the tutorial's app, with an empty database."""
    write_microblog(project)
    module = project.load("flaskr")
    module.init_db()
    return module


@pytest.mark.section("Testing / The First Test")
def test_the_client_returns_a_response_of_the_apps_class(flaskr: Any) -> None:
    class Marked(flaskr.app.response_class):  # type: ignore[misc]
        """A class that the answer can be recognised by."""

    flaskr.app.response_class = Marked

    rv = flaskr.app.test_client().get("/")

    assert isinstance(rv, Marked)
    assert b"No entries here so far" in rv.data


@pytest.mark.section("Testing / Logging In and Out")
def test_the_client_keeps_cookies_and_follows_redirects(flaskr: Any) -> None:
    client, stranger = flaskr.app.test_client(), flaskr.app.test_client()
    credentials = {"username": flaskr.USERNAME, "password": flaskr.PASSWORD}

    shown = client.post("/login", data=credentials, follow_redirects=True)
    later, other = client.get("/"), stranger.get("/")

    assert (shown.status_code, shown.request.path) == (200, "/")
    assert "You were logged in" in shown.text
    assert "log out" in later.text
    assert "log in" in other.text


@pytest.mark.section("Testing / Logging In and Out")
def test_the_client_does_not_follow_redirects_by_itself(flaskr: Any) -> None:
    answer = flaskr.app.test_client().get("/logout")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


@pytest.mark.section("Testing / Test Adding Messages")
def test_html_is_allowed_in_the_text_and_not_in_the_title(flaskr: Any) -> None:
    client = flaskr.app.test_client()
    client.post("/login", data={"username": flaskr.USERNAME, "password": flaskr.PASSWORD})

    entry = {"title": "<Hello>", "text": "<strong>HTML</strong> allowed here"}
    page = client.post("/add", data=entry, follow_redirects=True).text

    assert "No entries here so far" not in page
    assert "<Hello>" not in page
    assert "&lt;Hello&gt;" in page
    assert "<strong>HTML</strong> allowed here" in page
