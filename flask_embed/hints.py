"""The texts of errors and warnings for names that Flask has and this framework has not."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["APP", "CONSTRUCTOR", "MODULE", "RULE", "setting_hint"]

_MOUNT = "mount an app instead: DispatcherMiddleware(app, {'/blog': blog})"
_CONTEXT = "there is one context, that of a request: 'with app.test_request_context():'"
_SCRIPT = "write a script that does its work in 'with app.test_request_context():'"
_JSON = "the types that jsonify takes are fixed: convert others before"
_URL_VALUES = "override url_for(), and take the value out of request.view_args in a before_request function"
_TEMPLATES = "override create_jinja_loader()"
_STATIC = "override send_static_file(); static_path, a class attribute, is where the files are served"
_INSTANCE = "build the path from app.root_path"
_SESSION = "override open_session() and save_session()"
_ERRORS = "override handle_error() or handle_exception()"
_CYCLE = "override wsgi_app(), dispatch_request() or process_response()"

#: attributes of an app
APP = {
    "aborter": "abort() takes no other errors: raise your own class of HTTPException",
    "add_template_filter": "app.jinja_env.filters['name'] = function",
    "add_template_global": "app.jinja_env.globals['name'] = function",
    "add_template_test": "app.jinja_env.tests['name'] = function",
    "app_context": _CONTEXT,
    "async_to_sync": "views are plain functions",
    "before_first_request": "use on_startup, which runs once in each worker",
    "blueprints": _MOUNT,
    "cli": _SCRIPT,
    "config": "settings are attributes of the app: app.secret_key = …",
    "config_class": "settings are attributes of the app: app.secret_key = …",
    "create_jinja_environment": "override create_jinja_loader(), or change app.jinja_options and app.jinja_env",
    "do_teardown_appcontext": _CONTEXT,
    "do_teardown_request": "the context calls the functions of app.teardown_request_funcs",
    "ensure_sync": "views are plain functions",
    "error_handler_spec": "app.error_handlers, by status code or class of exceptions",
    "extensions": "Flask's extensions need Flask: mount such an app, or use the libraries themselves",
    "finalize_request": _CYCLE,
    "full_dispatch_request": _CYCLE,
    "get_send_file_max_age": "app.static_max_age, in seconds",
    "handle_http_exception": _ERRORS,
    "handle_url_build_error": "override url_for()",
    "handle_user_exception": _ERRORS,
    "import_name": "app.package_name",
    "inject_url_defaults": _URL_VALUES,
    "instance_path": _INSTANCE,
    "iter_blueprints": _MOUNT,
    "jinja_environment": "change app.jinja_options and app.jinja_env",
    "jinja_loader": _TEMPLATES,
    "json": _JSON,
    "json_decoder": _JSON,
    "json_encoder": _JSON,
    "json_provider_class": _JSON,
    "make_default_options_response": "a rule with methods=['OPTIONS'] has a view of its own",
    "make_shell_context": _SCRIPT,
    "name": "app.package_name",
    "open_instance_resource": _INSTANCE,
    "raise_routing_exception": "override match_request()",
    "register_blueprint": _MOUNT,
    "register_error_handler": "app.error_handlers[404] = function",
    "select_jinja_autoescape": "every template is escaped; jinja_options['autoescape'] may be a function of the name",
    "send_file_max_age_default": "app.static_max_age, in seconds",
    "session_interface": _SESSION,
    "shell_context_processor": _SCRIPT,
    "should_ignore_error": "a teardown function gets the exception, and may ignore it",
    "static_folder": _STATIC,
    "static_url_path": "static_path, a class attribute",
    "teardown_appcontext": "use teardown_request, which runs once at the end of each request",
    "template_filter": "app.jinja_env.filters['name'] = function",
    "template_folder": _TEMPLATES,
    "template_global": "app.jinja_env.globals['name'] = function",
    "template_test": "app.jinja_env.tests['name'] = function",
    "test_cli_runner": _SCRIPT,
    "testing": "errors are raised where app.debug is True, and answered with 500 where it is not",
    "trap_http_exception": _ERRORS,
    "url_build_error_handlers": "override url_for()",
    "url_default_functions": _URL_VALUES,
    "url_defaults": _URL_VALUES,
    "url_value_preprocessor": _URL_VALUES,
    "url_value_preprocessors": _URL_VALUES,
}

#: arguments of Flask()
CONSTRUCTOR = {
    "host_matching": "mount the app under its host: DispatcherMiddleware(None, {'example.com/': app})",
    "import_name": "the argument is called package_name",
    "instance_path": _INSTANCE,
    "instance_relative_config": "settings are attributes of the app: app.secret_key = …",
    "root_path": "assign app.root_path",
    "static_folder": _STATIC,
    "static_host": "mount the app under its host: DispatcherMiddleware(None, {'example.com/': app})",
    "static_path": "static_path is a class attribute: set it in a subclass",
    "static_url_path": "static_path, a class attribute, is where the files are served: set it in a subclass",
    "subdomain_matching": "rules may have a subdomain= wherever app.server_name is set",
    "template_folder": _TEMPLATES,
}

#: options of a rule
RULE = {
    "provide_automatic_options": "every rule answers OPTIONS; one with methods=['OPTIONS'] has a view of its own",
}

#: names of the package
MODULE = {
    "Blueprint": _MOUNT,
    "Config": "settings are attributes of the app: app.secret_key = …",
    "app_ctx": _CONTEXT,
    "appcontext_popped": "use the hooks of the app: before_request, after_request, teardown_request",
    "appcontext_pushed": "use the hooks of the app: before_request, after_request, teardown_request",
    "copy_current_request_context": "pass the values that the thread or greenlet needs as arguments",
    "get_template_attribute": "current_app.jinja_env.get_template(name).module has the macros of a template",
    "got_request_exception": "override log_exception(), or handle the records of app.logger",
    "has_app_context": "there is one context, that of a request: has_request_context()",
    "json": "use the standard library's json, and jsonify for responses",
    "message_flashed": "use the hooks of the app: before_request, after_request, teardown_request",
    "request_ctx": _CONTEXT,
    "request_finished": "use after_request",
    "request_started": "use before_request",
    "request_tearing_down": "use teardown_request",
    "signals": "use the hooks of the app: before_request, after_request, teardown_request",
    "stream_template": "return current_app.jinja_env.get_template(name).stream(…)",
    "stream_template_string": "return current_app.jinja_env.from_string(source).stream(…)",
    "template_rendered": "use the hooks of the app: before_request, after_request, teardown_request",
    "views": "views are functions; a class is one by its __call__",
}


def setting_hint(name: str, known: Iterable[str], *, guess: bool = True) -> str | None:
    """The hint for an unknown setting *name*; None if no setting is similar.

    *known* are the settings of the app. With *guess* a name that is spelled much like one of them has a hint, too.

    >>> setting_hint("SECRET_KEY", ["debug", "secret_key"])
    "write 'secret_key'"
    """
    known = list(known)
    if name.lower() in known:
        return f"write {name.lower()!r}"
    if name in APP or name.lower() in APP:
        return APP[name if name in APP else name.lower()]
    near = get_close_matches(name.lower(), known, 1, 0.8) if guess else []
    return f"did you mean {near[0]!r}?" if near else None
