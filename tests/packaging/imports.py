"""Who may import whom: the table, and the walk over a tree that holds the tree to it.

Every import statement counts, also one inside a function, and so do ``import_module("…")`` and
``__import__("…")`` with a literal. What stands below ``if TYPE_CHECKING:`` is loaded by nobody, so there the
core may name more than it may load; between the layers the rules hold for types too.
"""

from __future__ import annotations

import ast
import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["RULES", "Import", "Rule", "imports_of", "rule_for", "violations"]


class Rule(NamedTuple):
    """What the files that match ``files`` may import beside the standard library.

    A name allows what is below it too. The first rule with a matching pattern is the one for a file.
    """

    files: tuple[str, ...]
    why: str
    may: tuple[str, ...] = ()
    #: Only inside a function: at the top it would load a server before anything asks for one.
    in_functions: tuple[str, ...] = ()
    #: Only below ``if TYPE_CHECKING:``.
    for_types: tuple[str, ...] = ()
    #: Not even where may, or the standard library, would allow it.
    never: tuple[str, ...] = ()


LEAVES = ("flask_embed.environ", "flask_embed.errors", "flask_embed.parts")
LIBRARIES = ("werkzeug", "jinja2", "markupsafe", "itsdangerous")
SHIMS = ("gevent", "tornado", "fastcgi", "cgi")
COMMANDS = ("__main__", "cli", "config", "config_templates", "doctor", "doctor_asking", "doctor_judging", "probe")
#: Stands for every module of flask_embed/ that is not one of the next line.
CORE = "the core"
NOT_CORE = ("adapters", "middleware", "runner", "options", *SHIMS, *COMMANDS)
#: Small modules of the core that know nothing of the rest of it.
BARE = ("flask_embed.loading", "flask_embed.lifespan")
MIDDLEWARE = ("flask_embed.middleware",)
ADAPTERS = ("flask_embed.adapters",)
#: What a runner is told; the runners make one, the adapters read it.
OPTIONS = ("flask_embed.options",)
#: What all adapters share.
BOUNDARY = tuple(
    f"flask_embed.adapters.{name}"
    for name in ("wsgi", "front", "gateway", "heads", "listeners", "logs", "patience", "threads", "workers")
)
#: What can stand between a front and the app.
FIXERS = tuple(f"flask_embed.adapters.{name}" for name in ("lighttpd", "nginx", "proxy"))
NETWORK = ("socket", "ssl", "select", "selectors", "asyncio", "threading", "multiprocessing")


def adapter(name: str, *own: str) -> Rule:
    return Rule(
        files=(f"adapters/{name}.py",),
        why="an adapter may import middleware, errors, environ, options, lifespan, wsgi, front, heads, "
        "gateway, listeners, logs, patience, threads, workers, its protocol and its one library",
        may=(*LEAVES, *OPTIONS, *MIDDLEWARE, *BOUNDARY, "flask_embed.lifespan", *own),
    )


def shim(name: str, adapter_name: str, *library: str) -> Rule:
    return Rule(
        files=(f"flask_embed/{name}.py",),
        why="a shim may import runner and options; its own adapter and library inside a function",
        may=(*LEAVES, *OPTIONS, "flask_embed.runner"),
        in_functions=(f"flask_embed.adapters.{adapter_name}", *library),
    )


RULES = (
    # flask_embed/: the leaves
    Rule(
        ("flask_embed/errors.py", "flask_embed/hints.py", "flask_embed/options.py", "flask_embed/parts.py"),
        "errors, hints, options and parts are leaves: the standard library alone",
    ),
    Rule(
        ("flask_embed/environ.py",),
        "environ is a leaf: the standard library and Werkzeug",
        may=("flask_embed.errors", "werkzeug"),
    ),
    Rule(
        ("flask_embed/loading.py", "flask_embed/lifespan.py"),
        "middleware and runners share it, so it may import the leaves alone",
        may=LEAVES,
    ),
    # flask_embed/: the core
    Rule(
        ("flask_embed/__init__.py",),
        "the public names are loaded on first use, so that a runner can patch before anything else",
        for_types=(CORE, *LIBRARIES),
        in_functions=("flask_embed.hints",),
    ),
    Rule(
        ("flask_embed/ctx.py",),
        "the core may import Werkzeug, Jinja2 and itsdangerous, and ctx never app",
        may=(CORE, *LIBRARIES),
        for_types=("flask_embed.app",),
        never=("flask_embed.app",),
    ),
    # flask_embed/: what can be run
    Rule(
        ("flask_embed/runner.py",),
        "runner may import options, loading and lifespan; middleware and adapters inside functions",
        may=(*LEAVES, *OPTIONS, *BARE),
        in_functions=(*MIDDLEWARE, *ADAPTERS),
    ),
    shim("gevent", "gevent_server", "gevent"),
    shim("tornado", "tornado_server", "tornado"),
    shim("fastcgi", "fastcgi_server", "flup"),
    shim("cgi", "cgi_handler"),
    Rule(
        tuple(f"flask_embed/{name}.py" for name in COMMANDS),
        "the command line may import click, runner, loading and middleware; adapters inside functions",
        may=(
            *LEAVES,
            *OPTIONS,
            *BARE,
            *MIDDLEWARE,
            "click",
            "jinja2",
            "flask_embed.runner",
            *(f"flask_embed.{name}" for name in COMMANDS),
        ),
        in_functions=ADAPTERS,
    ),
    Rule(
        ("flask_embed/*.py",),
        "the core may import Werkzeug, Jinja2, itsdangerous and itself, never adapters, never a server",
        may=(CORE, *LIBRARIES),
    ),
    # middleware/
    Rule(
        ("middleware/*.py",),
        "middleware may import Werkzeug, errors, environ, loading, lifespan and middleware: it is pure WSGI",
        may=(*LEAVES, *BARE, *MIDDLEWARE, "werkzeug"),
    ),
    # adapters/
    Rule(
        ("adapters/__init__.py",),
        "each adapter is imported by its own name, so that nobody loads a server by accident",
    ),
    Rule(
        ("adapters/http1.py",),
        "a protocol is bytes in and events out: no sockets, no threads, and httptools alone",
        may=(*LEAVES, "flask_embed.adapters.heads", "httptools"),
        never=NETWORK,
    ),
    Rule(
        ("adapters/fcgi_records.py",),
        "a protocol is bytes in and events out: no sockets, no threads, no library",
        may=LEAVES,
        never=NETWORK,
    ),
    Rule(
        ("adapters/wsgi.py", "adapters/listeners.py", "adapters/logs.py", "adapters/reload.py"),
        "what all adapters share may import errors, environ and options, no library",
        may=(*LEAVES, *OPTIONS),
    ),
    Rule(
        ("adapters/heads.py", "adapters/targets.py"),
        "what stands in a request's head: strings in, strings out, the standard library alone",
        never=NETWORK,
    ),
    Rule(
        ("adapters/front.py",),
        "the order around an app may import middleware and options, and the fixers inside functions",
        may=(*LEAVES, *OPTIONS, *MIDDLEWARE),
        in_functions=FIXERS,
    ),
    Rule(
        ("adapters/workers.py",),
        "the supervisor is the standard library alone: only the child patches and imports",
        may=("flask_embed.errors", *OPTIONS, "flask_embed.adapters.listeners", "flask_embed.adapters.logs"),
    ),
    Rule(
        ("adapters/threads.py", "adapters/patience.py"),
        "threads and waits know nothing of what they are for: the standard library alone",
    ),
    adapter("gateway"),
    adapter("gevent_server", "flask_embed.adapters.http1", "gevent"),
    adapter("tornado_server", "tornado"),
    # A file that a web server starts over FastCGI may be asked as a CGI script, too: flup's contract.
    adapter("fastcgi_server", "flask_embed.adapters.fcgi_records", "flask_embed.adapters.cgi_handler", "flup"),
    adapter("cgi_handler"),
    adapter("lighttpd", "flask_embed.adapters.targets"),
    adapter("nginx", "flask_embed.adapters.targets"),
    adapter("proxy"),
    Rule(
        ("adapters/sqlalchemy_session.py",),
        "the session belongs to a request or a WSGI app: it may import SQLAlchemy, errors, parts and ctx, and name app",
        may=(*LEAVES, "flask_embed.ctx", "sqlalchemy"),
        for_types=("flask_embed.app",),
    ),
)


class Import(NamedTuple):
    """One import: *name* is the module, or for ``from package import module`` that module."""

    line: int
    name: str
    in_function: bool
    for_types: bool


def _modules(root: Path) -> set[str]:
    """The dotted names of all modules below *root*, the way they are installed."""
    names = set()
    for folder, package in (
        ("flask_embed", "flask_embed"),
        ("adapters", "flask_embed.adapters"),
        ("middleware", "flask_embed.middleware"),
    ):
        names |= {f"{package}.{file.stem}" for file in (root / folder).glob("*.py")} | {package}
    return names


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test).rpartition(".")[2] == "TYPE_CHECKING"


def imports_of(tree: ast.AST, modules: set[str], *, in_function: bool = False) -> Iterator[Import]:
    """Every import in *tree*; a relative one has a name that starts with its dots."""
    yield from _walk(tree, modules, in_function, False)


def _walk(node: ast.AST, modules: set[str], in_function: bool, for_types: bool) -> Iterator[Import]:
    match node:
        case ast.Import():
            for alias in node.names:
                yield Import(node.lineno, alias.name, in_function, for_types)
        case ast.ImportFrom():
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                full = f"{base}.{alias.name}"
                if full != "flask_embed.__version__":  # a string that the package holds itself: loads nothing
                    yield Import(node.lineno, full if full in modules else base, in_function, for_types)
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            yield Import(node.lineno, name, in_function, for_types)
    if isinstance(node, ast.If) and _is_type_checking(node.test):
        for statement in node.body:
            yield from _walk(statement, modules, in_function, True)
        for statement in node.orelse:
            yield from _walk(statement, modules, in_function, for_types)
        return
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, modules, in_function or is_function, for_types)


def rule_for(file: str) -> Rule | None:
    """The first rule for *file* (``"adapters/http1.py"``), or None where the table knows nothing of it."""
    for rule in RULES:
        if any(fnmatchcase(file, pattern) for pattern in rule.files):
            return rule
    return None


def _below(name: str, names: tuple[str, ...]) -> bool:
    package, _, rest = name.partition(".")
    if package == "flask_embed" and rest and rest.split(".", 1)[0] not in NOT_CORE and CORE in names:
        return True
    return any(name == other or name.startswith(f"{other}.") for other in names)


def _fault(found: Import, rule: Rule) -> str | None:
    """Why *rule* forbids an import, or None."""
    if found.name.startswith("."):
        return "imports are absolute, or modules load twice"
    if found.name.split(".", 1)[0] in {"adapters", "middleware"}:
        return f"it is installed as flask_embed.{found.name}; by this name it loads a second time"
    if found.for_types and _below(found.name, ("_typeshed", *rule.for_types)):
        return None
    if _below(found.name, rule.never):
        return rule.why
    if found.name.split(".", 1)[0] in sys.stdlib_module_names or _below(found.name, rule.may):
        return None
    if _below(found.name, rule.in_functions):
        return None if found.in_function or found.for_types else f"{rule.why}; this one is at the top"
    return rule.why


def violations(root: Path) -> list[str]:
    """A line for each import below *root* that the table forbids: file, line, import, rule."""
    modules = _modules(root)
    lines = []
    for folder in ("flask_embed", "adapters", "middleware"):
        for file in sorted((root / folder).glob("*.py")):
            place = f"{folder}/{file.name}"
            rule = rule_for(place)
            if rule is None:
                lines.append(f"{place}: no rule says what it may import: add one to RULES in {__name__}")
                continue
            for found in imports_of(ast.parse(file.read_text(), str(file)), modules):
                fault = _fault(found, rule)
                if fault is not None:
                    lines.append(f"{place}:{found.line}: imports {found.name}: {fault}")
    return lines
