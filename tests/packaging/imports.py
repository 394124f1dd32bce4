"""The rules of imports, one for each folder, and the walk over a tree that holds the tree to them.

Every import statement counts, also one inside a function, and so do ``import_module("…")`` and
``__import__("…")`` with a literal. An import below ``if TYPE_CHECKING:`` loads nothing, so the core may name more
there than it may load; between the layers the rules hold for types too.
"""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["EXCEPTIONS", "GROUND", "RULES", "Import", "Rule", "imports_of", "layer_of", "violations"]


class Rule(NamedTuple):
    """The layers and libraries that the files of a layer may import beside the standard library.

    The name of a module or library allows what is below it too.
    """

    why: str
    may: tuple[str, ...] = ()
    #: Only inside a function: at the top it would load a server before anything asks for one.
    in_functions: tuple[str, ...] = ()
    #: Only below ``if TYPE_CHECKING:``.
    for_types: tuple[str, ...] = ()
    #: Not even where may, or the standard library, would allow it.
    never: tuple[str, ...] = ()


LIBRARIES = ("werkzeug", "jinja2", "markupsafe", "itsdangerous")
NETWORK = ("socket", "ssl", "select", "selectors", "asyncio", "threading", "multiprocessing")

#: The folders are layers; of the files that lie in flask_embed/ itself these belong to another layer than the core.
GROUND = (
    "answers",
    "bodies",
    "composition",
    "environ",
    "errors",
    "grammar",
    "hints",
    "lifespan",
    "loading",
    "log_once",
    "options",
)
COMMANDS = ("__main__", "cgi", "cli", "fastcgi", "gevent", "tornado")

RULES = {
    "ground": Rule("the ground floor is the standard library alone", may=("ground",)),
    "core": Rule(
        "the core may import Werkzeug, Jinja2, itsdangerous and the ground, never adapters, never a server",
        may=("ground", "core", *LIBRARIES),
    ),
    "middleware": Rule("middleware is pure WSGI: it may import the ground alone", may=("ground", "middleware")),
    "serving": Rule(
        "the machinery of the servers may import the ground and middleware, no library; adapters in functions",
        may=("ground", "middleware", "serving"),
        in_functions=("adapters",),
    ),
    "adapters": Rule(
        "an adapter may import serving, middleware, the ground and its one library",
        may=("ground", "middleware", "serving"),
    ),
    "config": Rule(
        "config may import the ground, the prefixes and Jinja2",
        may=("ground", "config", "flask_embed.middleware.prefix", "jinja2"),
    ),
    "doctor": Rule(
        "the doctor may import the ground, config and middleware", may=("ground", "config", "doctor", "middleware")
    ),
    "commands": Rule(
        "commands may import click and all below them; adapters and servers in functions",
        may=("ground", "commands", "config", "doctor", "middleware", "click"),
        in_functions=("adapters", "serving", "gevent"),
    ),
}

#: What single files may, or may not, beside their layer.
EXCEPTIONS = {
    "flask_embed/__init__.py": Rule(
        "the public names are loaded on first use, so that a runner can patch before anything else",
        for_types=("core", *LIBRARIES),
        in_functions=("flask_embed.hints",),
        never=("ground", "core", *LIBRARIES),
    ),
    "flask_embed/ctx.py": Rule("ctx never loads app", for_types=("flask_embed.app",), never=("flask_embed.app",)),
    "flask_embed/environ.py": Rule("environ reads what Werkzeug reads", may=("werkzeug",)),
    "adapters/serving/http1.py": Rule(
        "a protocol is bytes in and events out: no sockets, no threads", may=("httptools",), never=NETWORK
    ),
    "adapters/serving/fcgi_records.py": Rule(
        "a protocol is bytes in and events out: no sockets, no threads", never=NETWORK
    ),
    "adapters/gevent_server.py": Rule("its one library", may=("gevent",)),
    "adapters/tornado_server.py": Rule("its one library", may=("tornado",)),
    # A file that a web server starts over FastCGI may be asked as a CGI script, too: flup's contract.
    "adapters/fastcgi_server.py": Rule("its one library", may=("flup",), in_functions=("adapters",)),
    "adapters/sqlalchemy_session.py": Rule(
        "the session belongs to a request: it may import ctx, and name app",
        may=("sqlalchemy", "flask_embed.ctx"),
        for_types=("flask_embed.app",),
    ),
}


class Import(NamedTuple):
    """One import: *name* is the module, or for ``from package import module`` that module."""

    line: int
    name: str
    in_function: bool
    for_types: bool


def layer_of(module: str) -> str:
    """The layer of a module of this project, by its dotted name."""
    names = module.split(".")[1:]
    match names:
        case ["adapters", "serving", *_]:
            return "serving"
        case [("adapters" | "middleware" | "commands" | "config" | "doctor") as folder, *_]:
            return folder
        case ["probe"]:
            return "doctor"
        case [name] if name in COMMANDS:
            return "commands"
        case [name] if name in GROUND:
            return "ground"
    return "core"


def _files(root: Path) -> dict[str, Path]:
    """Each module below *root*, by the dotted name that it is installed under."""
    files = {}
    for folder, package in (
        ("flask_embed", "flask_embed"),
        ("adapters", "flask_embed.adapters"),
        ("middleware", "flask_embed.middleware"),
    ):
        top = root / folder
        links = [path for path in top.iterdir() if path.is_symlink()]
        for file in sorted(top.rglob("*.py")):
            if any(file.is_relative_to(link) for link in links):
                continue
            names = [package, *file.relative_to(top).with_suffix("").parts]
            files[".".join(names[:-1] if names[-1] == "__init__" else names)] = file
    return files


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


def _is_among(name: str, allowed: tuple[str, ...]) -> bool:
    if name.split(".", 1)[0] == "flask_embed" and layer_of(name) in allowed:
        return True
    return any(name == other or name.startswith(f"{other}.") for other in allowed)


def _fault(found: Import, rule: Rule, own: Rule) -> str | None:
    """Why an import is forbidden by the *rule* of the layer or by the file's *own*, or None."""
    if found.name.startswith("."):
        return "imports are absolute, or modules load twice"
    if found.name.split(".", 1)[0] in {"adapters", "middleware"}:
        return f"it is installed as flask_embed.{found.name}; by this name it loads a second time"
    if found.for_types and _is_among(found.name, ("_typeshed", *rule.for_types, *own.for_types)):
        return None
    allowed_late = found.in_function or found.for_types
    if allowed_late and _is_among(found.name, own.in_functions):
        return None
    if _is_among(found.name, own.never):
        return own.why
    if found.name.split(".", 1)[0] in sys.stdlib_module_names or _is_among(found.name, rule.may + own.may):
        return None
    if _is_among(found.name, rule.in_functions):
        return None if allowed_late else f"{rule.why}; this one is at the top"
    return rule.why


def violations(root: Path) -> list[str]:
    """A line for each import below *root* that the rules forbid: file, line, import, rule."""
    files = _files(root)
    lines = []
    for module, file in files.items():
        place = file.relative_to(root).as_posix()
        rule, own = RULES[layer_of(module)], EXCEPTIONS.get(place, Rule(""))
        for found in imports_of(ast.parse(file.read_text(), str(file)), set(files)):
            fault = _fault(found, rule, own)
            if fault is not None:
                lines.append(f"{place}:{found.line}: imports {found.name}: {fault}")
    return sorted(lines)
