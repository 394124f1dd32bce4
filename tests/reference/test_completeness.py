"""Each section of the reference document has a test that names it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent

#: Every section of the document with code in it, and those whose text alone says what the project does. Left
#: out are what is about other software: the commands that install Python, virtualenv, Apache and mod_wsgi.
SECTIONS = """
    Foreword / What does Micro Mean?
    Foreword / Web Development is Dangerous

    Installation / virtualenv
    Installation / The Drop into Place Version

    Quickstart / A Minimal Application
    Quickstart / Debug Mode
    Quickstart / Routing
    Quickstart / Variable Rules
    Quickstart / URL Building
    Quickstart / HTTP Methods
    Quickstart / Static Files
    Quickstart / Rendering Templates
    Quickstart / Context Locals
    Quickstart / The Request Object
    Quickstart / File Uploads
    Quickstart / Cookies
    Quickstart / Redirects and Errors
    Quickstart / Sessions
    Quickstart / Message Flashing

    Tutorial / Introducing Flaskr
    Tutorial / Step 0: Creating The Folders
    Tutorial / Step 1: Database Schema
    Tutorial / Step 2: Application Setup Code
    Tutorial / Step 3: Creating The Database
    Tutorial / Step 4: Request Database Connections
    Tutorial / Step 5: The View Functions
    Tutorial / Step 6: The Templates
    Tutorial / Step 7: Adding Style
    Tutorial / Bonus: Testing the Application

    Testing / The Testing Skeleton
    Testing / The First Test
    Testing / Logging In and Out
    Testing / Test Adding Messages

    Patterns / Larger Applications
    Patterns / Circular Imports
    Patterns / Using SQLite 3 with Flask
    Patterns / Easy Querying
    Patterns / Initial Schemas
    Patterns / SQLAlchemy in Flask / Declarative
    Patterns / SQLAlchemy in Flask / Manual Object Relational Mapping
    Patterns / SQLAlchemy in Flask / SQL Abstraction Layer
    Patterns / Template Inheritance / Base Template
    Patterns / Template Inheritance / Child Template
    Patterns / Message Flashing

    Deployment / FastCGI / Creating a .fcgi file
    Deployment / FastCGI / Configuring lighttpd
    Deployment / FastCGI / Configuring nginx
    Deployment / FastCGI / Debugging
    Deployment / mod_wsgi (Apache) / Creating a .wsgi file
    Deployment / mod_wsgi (Apache) / Configuring Apache
    Deployment / Tornado
    Deployment / Gevent
    Deployment / CGI / Creating a .cgi file
    Deployment / CGI / Server Setup

    Becoming Big / What Could Be Improved?

    API / Flask
    API / Flask.add_url_rule
    API / Flask.after_request
    API / Flask.after_request_funcs
    API / Flask.before_request
    API / Flask.before_request_funcs
    API / Flask.context_processor
    API / Flask.create_jinja_loader
    API / Flask.debug
    API / Flask.dispatch_request
    API / Flask.error_handlers
    API / Flask.errorhandler
    API / Flask.jinja_env
    API / Flask.jinja_options
    API / Flask.make_response
    API / Flask.match_request
    API / Flask.open_resource
    API / Flask.open_session
    API / Flask.package_name
    API / Flask.preprocess_request
    API / Flask.process_response
    API / Flask.request_class
    API / Flask.request_context
    API / Flask.response_class
    API / Flask.root_path
    API / Flask.route
    API / Flask.run
    API / Flask.save_session
    API / Flask.secret_key
    API / Flask.session_cookie_name
    API / Flask.static_path
    API / Flask.template_context_processors
    API / Flask.test_client
    API / Flask.test_request_context
    API / Flask.update_template_context
    API / Flask.view_functions
    API / Flask.wsgi_app
    API / Request
    API / request
    API / request.form
    API / request.args
    API / request.values
    API / request.cookies
    API / request.stream
    API / request.files
    API / request.environ
    API / request.method
    API / request.path
    API / request.script_root
    API / request.url
    API / request.base_url
    API / request.url_root
    API / Response
    API / Response.headers
    API / Response.status_code
    API / Response.data
    API / Response.mimetype
    API / Response.set_cookie
    API / session
    API / session.new
    API / session.modified
    API / g
    API / url_for
    API / abort
    API / redirect
    API / escape
    API / Markup
    API / Markup.escape
    API / Markup.striptags
    API / Markup.unescape
    API / flash
    API / get_flashed_messages
    API / render_template
    API / render_template_string
"""

TABLE = {line.strip() for line in SECTIONS.splitlines() if line.strip()}


class Marked(NamedTuple):
    """A test function and the sections that its marks name."""

    file: str
    name: str
    sections: set[str]


def marks_in(file: Path) -> Iterator[Marked]:
    """The test functions of a file; it is read, not run."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            sections = {name for mark in node.decorator_list for name in named_by(mark)}
            yield Marked(file.name, node.name, sections)


def named_by(mark: ast.expr) -> list[str]:
    """The sections that a decorator names, none if it is another one."""
    if not isinstance(mark, ast.Call) or ast.unparse(mark.func) != "pytest.mark.section":
        return []
    return [ast.literal_eval(argument) for argument in mark.args]


def chapter_file(section: str) -> str:
    """The beginning of the file names of a section's chapter."""
    return "test_" + section.partition(" / ")[0].lower().replace(" ", "_")


@pytest.fixture(scope="module")
def marked() -> list[Marked]:
    """All tests of the document but those of this file."""
    others = sorted(set(FOLDER.glob("test_*.py")) - {Path(__file__)})
    return [test for file in others for test in marks_in(file)]


def test_each_section_is_named_by_a_test(marked: list[Marked]) -> None:
    named = {section for test in marked for section in test.sections}

    assert sorted(TABLE - named) == []


def test_each_test_names_sections_that_there_are(marked: list[Marked]) -> None:
    astray = [test for test in marked if not test.sections or test.sections - TABLE]

    assert astray == []


def test_each_test_stands_in_a_file_of_its_chapter(marked: list[Marked]) -> None:
    at_home = [test for test in marked if any(map(test.file.startswith, map(chapter_file, test.sections)))]

    assert [test for test in marked if test not in at_home] == []
