"""From the text ``module:attribute`` to a WSGI app, without evaluating anything."""

from __future__ import annotations

from importlib import import_module
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, cast

from flask_embed.errors import LoadError
from flask_embed.grammar import TARGET

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["check_target", "load_app"]


def load_app(target: str, prefix: str = "") -> WSGIApplication:
    """The WSGI app that ``"module:attribute"`` names, or that the factory ``"module:factory()"`` returns.

    A factory may have a parameter called ``prefix``: it gets *prefix*, where the app is going to be mounted, as text.

    :exc:`~flask_embed.errors.LoadError` if the text has another form, if nothing has that name, or if what has
    it is no WSGI app. What the module itself raises while it is imported, and what the factory raises, is
    passed on as it is: it is a fault of that code, and its traceback is worth seeing.
    """
    module, attribute, is_factory = check_target(target)
    found = _attribute(_import(module, target), attribute, target)
    if is_factory:
        if not callable(found):
            raise LoadError(f"{target!r}: {attribute!r} cannot be called; write it without '()'")
        found = _made_by(found, attribute, target, prefix)
    if not callable(found) or not _accepts(found, 2):
        hint = ""
        if callable(found) and not is_factory and _accepts(found, 0):
            hint = f"; if it is a factory, write '{target}()'"
        raise LoadError(f"{target!r} is not a WSGI callable, it is {found!r}{hint}")
    return cast("WSGIApplication", found)


def check_target(target: str) -> tuple[str, str, bool]:
    """Module, attribute, and whether it is a factory, of the text that names an app; nothing is imported.

    :exc:`~flask_embed.errors.LoadError` if the text has another form.
    """
    match = TARGET.fullmatch(target)
    if match is None:
        raise LoadError(f"{target!r} names no app: write 'module:app', or 'module:create_app()' for a factory")
    return match["module"], match["attribute"], match["call"] is not None


def _made_by(factory: Any, name: str, target: str, prefix: str) -> Any:
    try:
        takes_prefix = "prefix" in signature(factory).parameters
    except (TypeError, ValueError):  # compiled code without a signature
        takes_prefix = False
    if takes_prefix and _accepts(factory, 0, prefix=prefix):
        return factory(prefix=prefix)
    if not _accepts(factory, 0):
        raise LoadError(
            f"{target!r}: the factory {name!r} needs arguments; one called 'prefix' is all that it may need"
        )
    return factory()


def _import(name: str, target: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        # Only if the missing module is the named one, or a package on the way to it: else it is the module's own fault.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        missing = error.name
    raise LoadError(f"{target!r}: there is no module {missing!r} in the current folder (see --chdir) or on sys.path")


def _attribute(module: Any, path: str, target: str) -> Any:
    found = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise LoadError(f"{target!r}: {module.__name__!r} has no attribute {path!r}") from None
    return found


def _accepts(function: Any, count: int, **named: Any) -> bool:
    """Whether *function* can be called with *count* positional arguments, as far as its signature tells."""
    try:
        signature(function).bind(*[Parameter.empty] * count, **named)
    except TypeError:
        return False
    except ValueError:  # compiled code without a signature
        return True
    return True
