"""From a text to an app: what is found, and what each mistake says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flask_embed.errors import LoadError
from flask_embed.loading import load_app

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
def app(environ, start_response):
    return []

class Holder:
    inner = app

class Application:
    def __call__(self, environ, start_response):
        return []

application = Application()

def create_app():
    return app

def create_nothing():
    return None

def needs(argument):
    return app

def fails():
    raise LookupError("the factory is at fault")

text = "text"
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_loaded_module.py").write_text(MODULE)
    (tmp_path / "a_package").mkdir()
    (tmp_path / "a_package" / "__init__.py").write_text("")
    (tmp_path / "a_package" / "broken.py").write_text("import nothing_like_it\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("attribute", ["app", "application", "create_app()", "Holder.inner"])
def test_an_app_is_found(attribute: str) -> None:
    assert callable(load_app(f"a_loaded_module:{attribute}"))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("", "write 'module:app'"),
        ("a_loaded_module", "write 'module:app'"),
        ("a_loaded_module:", "write 'module:app'"),
        (":app", "write 'module:app'"),
        ("a-b:app", "write 'module:app'"),
        ("a_loaded_module:app()()", "write 'module:app'"),
        ("a_loaded_module:__import__('os')", "write 'module:app'"),
        ("..a:app", "write 'module:app'"),
        ("not_there:app", "there is no module 'not_there'"),
        ("a_package.not_there:app", "there is no module 'a_package.not_there'"),
        ("a_loaded_module.inner:app", "there is no module 'a_loaded_module.inner'"),
        ("a_loaded_module:nothing", "has no attribute 'nothing'"),
        ("a_loaded_module:Holder.nothing", "has no attribute 'Holder.nothing'"),
        ("a_loaded_module:text", "is not a WSGI callable, it is 'text'"),
        ("a_loaded_module:text()", "is not callable"),
        ("a_loaded_module:create_app", "write 'a_loaded_module:create_app()'"),
        ("a_loaded_module:create_nothing()", "is not a WSGI callable, it is None"),
        ("a_loaded_module:needs()", "needs arguments"),
        ("os:system", "is not a WSGI callable"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_target(target: str, message: str) -> None:
    with pytest.raises(LoadError) as caught:
        load_app(target)
    assert message in str(caught.value)
    assert repr(target) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_faults_of_the_module_and_of_the_factory_are_passed_on() -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing_like_it"):
        load_app("a_package.broken:app")
    with pytest.raises(LookupError, match="the factory is at fault"):
        load_app("a_loaded_module:fails()")
