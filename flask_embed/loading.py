"""The WSGI app that the text ``module:attribute`` names; the text is never evaluated."""

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

    :exc:`~flask_embed.errors.LoadError` for a malformed text, for a missing module or attribute, and for an object
    that is not a WSGI app. Errors that the module raises during its import, or the factory, are passed on as they are:
    the fault is in that code, and the traceback shows where.
    """
    module, attribute, is_factory = check_target(target)
    found = _attribute(_import(module, target), attribute, target)
    if is_factory:
        if not callable(found):
            raise LoadError(f"{target!r}: {attribute!r} is not callable; write it without '()'")
        found = _made_by(found, attribute, target, prefix)
    if not callable(found) or not _accepts(found, 2):
        hint = ""
        if callable(found) and not is_factory and _accepts(found, 0):
            hint = f"; if it is a factory, write '{target}()'"
        raise LoadError(f"{target!r} is not a WSGI callable, it is {found!r}{hint}")
    return cast("WSGIApplication", found)


def check_target(target: str) -> tuple[str, str, bool]:
    """Module, attribute, and True for a factory, of the text that names an app; nothing is imported.

    :exc:`~flask_embed.errors.LoadError` for a malformed text.
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
        raise LoadError(f"{target!r}: the factory {name!r} needs arguments; it may have one alone, called 'prefix'")
    return factory()


def _import(name: str, target: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        # If another module than the named one (or a package on the way to it) is missing, the fault is in the module.
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
    """True if *function* can be called with *count* positional arguments, as far as its signature shows."""
    try:
        signature(function).bind(*[Parameter.empty] * count, **named)
    except TypeError:
        return False
    except ValueError:  # compiled code without a signature
        return True
    return True
