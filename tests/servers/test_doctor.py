"""The doctor through real web servers: it names each known fault, and its lines put that right."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from flask_embed.config import Deployment, Site, render, snippets
from flask_embed.doctor.known import CONFIGURATIONS
from tests.servers import fronts
from tests.servers.deployed import deployed, deployment
from tests.servers.fronts import open_folder
from tests.serving import DEADLINE, ROOT, environment, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOKEN = "a-token-of-the-tests"
PREFIX = "/yourapplication"
#: the modules that Apache loads
MODULES = ("proxy", "proxy_fcgi", "proxy_http", "headers", "env")

#: nginx's fastcgi_params as Debian has them, as far as paths and Host are concerned
STOCK = "include /etc/nginx/fastcgi_params;"
#: the same without SCRIPT_NAME and HTTP_HOST, and with Proxy left out
BARE = """
fastcgi_param QUERY_STRING $query_string;
fastcgi_param REQUEST_METHOD $request_method;
fastcgi_param CONTENT_TYPE $content_type;
fastcgi_param CONTENT_LENGTH $content_length;
fastcgi_param REQUEST_URI $request_uri;
fastcgi_param SERVER_PROTOCOL $server_protocol;
fastcgi_param REQUEST_SCHEME $scheme;
fastcgi_param HTTPS $https if_not_empty;
fastcgi_param GATEWAY_INTERFACE CGI/1.1;
fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
fastcgi_param REMOTE_ADDR $remote_addr;
fastcgi_param REMOTE_PORT $remote_port;
fastcgi_param SERVER_PORT $server_port;
fastcgi_param SERVER_NAME $server_name;
fastcgi_param HTTP_PROXY "";
"""
PROXIED = f"""
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-Host $http_host;
proxy_set_header X-Forwarded-Prefix {PREFIX};
"""
FASTCGI = 'server.modules = ( "mod_rewrite", "mod_setenv", "mod_fastcgi" )\n'
BACKEND = '(( "socket" => "SOCKET", "check-local" => "disable" ))'


class Way(NamedTuple):
    """A front, its configuration, in which SOCKET or ADDRESS is the app, and the prefix."""

    front: str
    config: str
    prefix: str = PREFIX
    runner: str = "fastcgi"


BROKEN = {
    "lighttpd-prefix-without-border": Way("lighttpd", f'{FASTCGI}fastcgi.server = ( "{PREFIX}" => {BACKEND} )'),
    "lighttpd-root-without-fix": Way("lighttpd", f'{FASTCGI}fastcgi.server = ( "/" => {BACKEND} )', ""),
    "lighttpd-root-without-fix below a prefix": Way("lighttpd", f'{FASTCGI}fastcgi.server = ( "/" => {BACKEND} )'),
    "lighttpd-rewrite-to-fcgi": Way(
        "lighttpd",
        f'{FASTCGI}fastcgi.server = ( "/yourapplication.fcgi" => {BACKEND} )\n'
        'url.rewrite-once = ( "^(/.*)$" => "/yourapplication.fcgi$1" )',
        "",
    ),
    "nginx-path-info-by-regex": Way(
        "nginx",
        f"""location {PREFIX}/ {{
            {STOCK}
            if ($uri ~ ^{PREFIX}/(.*)?) {{ set $path_url $1; }}
            fastcgi_param PATH_INFO $path_url;
            fastcgi_param SCRIPT_NAME {PREFIX};
            fastcgi_pass unix:SOCKET;
        }}""",
    ),
    "nginx-split-without-border": Way(
        "nginx",
        f"""location = {PREFIX} {{ rewrite ^ {PREFIX}/ last; }}
        location {PREFIX} {{ try_files $uri @app; }}
        location @app {{
            {STOCK}
            fastcgi_split_path_info ^({PREFIX})(.*)$;
            fastcgi_param PATH_INFO $fastcgi_path_info;
            fastcgi_param SCRIPT_NAME $fastcgi_script_name;
            fastcgi_pass unix:SOCKET;
        }}""",
    ),
    "nginx-location-without-slash": Way(
        "nginx", f"location {PREFIX} {{ proxy_pass http://ADDRESS/; {PROXIED} }}", PREFIX, "gevent"
    ),
    "nginx-params-alone": Way("nginx", f"location / {{ {STOCK} fastcgi_pass unix:SOCKET; }}"),
    "nginx-params-alone at the root": Way("nginx", f"location / {{ {STOCK} fastcgi_pass unix:SOCKET; }}", ""),
    "apache-proxy-fcgi-alone": Way("apache", f'ProxyPass "{PREFIX}" "fcgi://ADDRESS"'),
}
H4 = f"""ProxyPassMatch "^{PREFIX}(/.*)?$" "unix:SOCKET|fcgi://localhost"
ProxyFCGIBackendType GENERIC
ProxyFCGISetEnvIf "true" SCRIPT_NAME "{PREFIX}"
ProxyFCGISetEnvIf "%{{REQUEST_URI}} =~ m#^{PREFIX}(/.*)?$#" PATH_INFO "$1"
"""
E2 = rf"""merge_slashes off;
location ~ "(?s)^{PREFIX}(?:/|\z)" {{
    {BARE}
    fastcgi_split_path_info "(?s)^({PREFIX})(|/.*)\z";
    fastcgi_param SCRIPT_NAME $fastcgi_script_name;
    fastcgi_param PATH_INFO $fastcgi_path_info;
    fastcgi_pass unix:SOCKET;
}}"""
A3 = f'{FASTCGI}$HTTP["url"] =~ "^{PREFIX}(/|$)" {{ fastcgi.server = ( "{PREFIX}" => {BACKEND} ) }}'
ROOT_OF_NGINX = (
    'location / {{ {} fastcgi_param PATH_INFO $fastcgi_script_name; fastcgi_param SCRIPT_NAME ""; '
    "fastcgi_pass unix:SOCKET; }}"
)

RIGHT = {
    "a3": Way("lighttpd", A3),
    "b2": Way(
        "lighttpd",
        f'{FASTCGI}fastcgi.server = ( "/" => (( "socket" => "SOCKET", "check-local" => "disable", '
        '"fix-root-scriptname" => "enable" )) )',
        "",
    ),
    "d": Way("nginx", ROOT_OF_NGINX.format(BARE), ""),
    "d below a prefix": Way("nginx", ROOT_OF_NGINX.format(BARE)),
    "e2": Way("nginx", E2),
    "f1": Way("nginx", f"location {PREFIX}/ {{ proxy_pass http://ADDRESS; {PROXIED} }}", PREFIX, "gevent"),
    "f2": Way("nginx", f"location {PREFIX}/ {{ proxy_pass http://ADDRESS/; {PROXIED} }}", PREFIX, "gevent"),
    "f4": Way(
        "nginx",
        rf'merge_slashes off; location ~ "(?s)^{PREFIX}(?:/|\z)" {{ proxy_pass http://ADDRESS; {PROXIED} }}',
        PREFIX,
        "tornado",
    ),
    "h4": Way("apache", H4),
    "h6": Way(
        "apache",
        'ProxyFCGIBackendType GENERIC\nProxyFCGISetEnvIf true SCRIPT_NAME ""\n'
        'ProxyFCGISetEnvIf "%{REQUEST_URI} =~ m#^(.*)$#" PATH_INFO "$1"\nProxyPass "/" "unix:SOCKET|fcgi://localhost/"',
        "",
    ),
}


class Said(NamedTuple):
    """The result of the doctor."""

    status: int
    printed: dict[str, Any]

    def level(self, check: str) -> str:
        return str(self.check(check)["level"])

    def check(self, name: str) -> dict[str, Any]:
        (found,) = [check for check in self.printed["checks"] if check["check"] == name]
        assert isinstance(found, dict)
        return found

    @property
    def faults(self) -> list[str]:
        return [check["check"] for check in self.printed["checks"] if check["level"] == "fault"]

    @property
    def notes(self) -> list[str]:
        return [check["check"] for check in self.printed["checks"] if check["level"] == "note"]

    def lines(self, check: str, number: int = 0) -> str:
        """The lines of a check to change: those of its first place, or of another one."""
        return "\n".join(self.check(check)["changes"][number]["lines"])


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "flask_embed", "doctor", *arguments],
        cwd=ROOT,
        env={**environment(), "FLASK_EMBED_PROBE_TOKEN": TOKEN, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE * 2,
        check=False,
    )


@contextlib.contextmanager
def opened(way: Way, options: Sequence[str] = ()) -> Iterator[fronts.Front]:
    """The front, with the probe behind it."""
    with open_folder() as folder:
        socket = f"{folder}/app.sock"
        needs_port = "ADDRESS" in way.config
        bind = "127.0.0.1:0" if needs_port else f"unix:{socket}"
        group = ["--socket-group", fronts.USER] if os.geteuid() == 0 and not needs_port else []
        arguments = ["flask_embed.probe:app", "--bind", bind, *group, *options]
        with serving(way.runner, *arguments, variables={"FLASK_EMBED_PROBE_TOKEN": TOKEN}) as runner:
            config = way.config.replace("SOCKET", socket).replace("ADDRESS", f"127.0.0.1:{runner.port}")
            start = {"nginx": fronts.nginx, "lighttpd": fronts.lighttpd}
            front = start[way.front](config, folder) if way.front in start else fronts.apache(config, folder, MODULES)
            with front as started:
                yield started


def examined(way: Way, options: Sequence[str] = (), arguments: Sequence[str] = ()) -> Said:
    with opened(way, options) as front:
        ended = run(front.url + way.prefix, "--json", *arguments)
    assert ended.stderr == ""
    return Said(ended.returncode, json.loads(ended.stdout))


def filled(lines: str, way: Way) -> str:
    """The lines to change, with the addresses that the user knows."""
    for marked, known in (
        ("include fastcgi_params", "include /etc/nginx/fastcgi_params"),
        ("fastcgi_pass ADDRESS", "fastcgi_pass unix:SOCKET"),
        ("http://HOST:PORT", "http://ADDRESS"),
        ('"socket" => "/PATH"', '"socket" => "SOCKET"'),
        ("unix:/PATH|", "unix:SOCKET|"),
    ):
        lines = lines.replace(marked, known)
    return FASTCGI + lines if way.front == "lighttpd" else lines


@pytest.mark.parametrize("row", BROKEN)
def test_a_broken_configuration_is_named_and_its_lines_put_it_right(row: str) -> None:
    way, name = BROKEN[row], row.partition(" ")[0]

    said = examined(way)

    assert said.status == 1
    assert said.printed["front"] == way.front
    assert said.printed["configuration"] == {"row": CONFIGURATIONS[name].row, "name": name}
    assert said.faults[0] == "configuration"
    # what else is wrong with the path follows from it; the stock parameters lose the port as well
    assert set(said.faults) <= {"configuration", "prefix", "border", "encoding", "script-name", "host"}
    assert ("host" in said.faults) is (STOCK in way.config)

    mended = examined(way._replace(config=filled(said.lines("configuration"), way)))

    assert (mended.status, mended.faults, mended.printed["configuration"]) == (0, [], None)

    for number, change in enumerate(said.check("configuration")["changes"]):
        if change["where"] == "or the runner":
            mended = examined(way, said.lines("configuration", number).split())
            assert mended.printed["configuration"] is None
            assert [mended.level(check) for check in ("prefix", "encoding")] == ["ok", "ok"]


@pytest.mark.parametrize("row", RIGHT)
def test_a_right_configuration_has_no_fault(row: str) -> None:
    said = examined(RIGHT[row])

    assert (said.status, said.faults, said.printed["configuration"]) == (0, [], None)
    assert said.printed["ok"] is True
    # where an option of the runner belongs to what the front does with the prefix, that is a note
    is_mounted = row not in ("d below a prefix", "f1", "f2", "f4")
    assert said.level("prefix") == ("ok" if is_mounted else "note")
    if not is_mounted:
        mounted = examined(RIGHT[row], said.lines("prefix").split())
        assert (mounted.status, mounted.level("prefix")) == (0, "ok")


@pytest.mark.parametrize("row", ["e2", "d", "a3", "h4"])
def test_every_line_that_is_printed_does_what_it_says(row: str) -> None:
    way = RIGHT[row]
    said = examined(way)
    lines = [said.lines(name) for name in said.notes if said.check(name)["changes"]]
    config = way.config
    for line in lines:
        if line == "flushpackets=on":
            config = config.replace('fcgi://localhost"', f'fcgi://localhost" {line}')
        elif way.front == "nginx" and line.startswith("fastcgi_"):
            config = config.replace("fastcgi_pass", f"{line}\nfastcgi_pass")
        else:
            config = f"{config}\n{line}"

    mended = examined(way._replace(config=config))

    # lighttpd has no line for slashes and underscores
    assert mended.notes == (["slashes", "underscores"] if way.front == "lighttpd" else [])
    assert mended.status == 0
    assert "streaming" in said.notes


@pytest.mark.parametrize("module", ["wsgi", "fcgid"])
def test_the_lines_for_modules_of_apache_do_what_they_say(module: str) -> None:
    with open_folder() as folder:
        python = fronts.spawned_python(folder)
        code = f"import os; os.environ['FLASK_EMBED_PROBE_TOKEN'] = {TOKEN!r}\n"
        script = folder / "app"
        allowed = f"<Directory {folder}>\nRequire all granted\nOptions ExecCGI\n</Directory>"
        if module == "wsgi":
            script.write_text(f"{code}from flask_embed.probe import app as application\n")
            config = f"""WSGIDaemonProcess app processes=1 threads=4 python-home={python.parent.parent}
            WSGIScriptAlias {PREFIX} {script} process-group=app application-group=%{{GLOBAL}}"""
        else:
            run_it = "from flask_embed.fastcgi import main; main(['flask_embed.probe:app'])"
            script.write_text(f"#!{python}\n{code}{run_it}\n")
            script.chmod(0o755)
            config = f"ScriptAlias {PREFIX} {script}\n<Location {PREFIX}>\nSetHandler fcgid-script\n</Location>"

        def ask(lines: str) -> Said:
            with fronts.apache(f"{config}\n{allowed}\n{lines}", folder, [*MODULES, module]) as front:
                ended = run(front.url + PREFIX, "--json")
            return Said(ended.returncode, json.loads(ended.stdout))

        said = ask("")
        all_lines = [
            "\n".join(change["lines"])
            for check in said.printed["checks"]
            for change in check["changes"]
            if change["lines"] != ["flushpackets=on"]  # for lines that are not there
            and not (module == "wsgi" and change["where"].endswith("mod_fcgid"))
            and not (module == "fcgid" and change["where"].endswith("mod_wsgi"))
        ]
        mended = ask("\n".join(all_lines))

    assert (said.status, said.faults) == (0, [])
    assert {"encoded-slash", "forwarded", "authorization"} <= set(said.notes)
    assert ("chunked" in said.notes) is (module == "wsgi")
    assert ("streaming" in said.notes) is (module == "fcgid")
    assert (mended.status, mended.notes) == (0, ["slashes"])  # as is said beside that line


def test_the_lost_port_is_a_fault_and_its_line_brings_it_back() -> None:
    way = Way("nginx", ROOT_OF_NGINX.format(STOCK), "")
    said = examined(way)

    assert (said.status, said.faults) == (1, ["host"])
    assert "the port is lost from Host" in said.check("host")["text"]

    config = way.config.replace(STOCK, f"{STOCK} {said.lines('host')}")
    assert examined(way._replace(config=config)).faults == []


@pytest.mark.parametrize(
    "way",
    [
        Way("nginx", "location / { proxy_pass http://ADDRESS; }", "", "gevent"),
        Way("apache", 'ProxyPass "/" "http://ADDRESS/"', "", "gevent"),
    ],
    ids=["nginx", "apache"],
)
def test_the_host_of_the_backend_is_a_fault(way: Way) -> None:
    said = examined(way)

    assert said.faults == ["host"]
    assert said.check("host")["text"] == "Host arrives as another one"
    line = said.lines("host")
    config = way.config.replace("proxy_pass", f"{line} proxy_pass") if way.front == "nginx" else f"{way.config}\n{line}"
    assert examined(way._replace(config=config)).faults == []


def test_what_a_client_can_forge_is_a_fault_once_it_is_trusted() -> None:
    trusting = ["--trust-proxy", "1", "--forwarded-allow-ips", "unix,127.0.0.1"]
    way = RIGHT["e2"]

    said = examined(way, trusting)

    assert (said.status, said.faults) == (1, ["script-name", "forwarded"])
    assert "X-Forwarded-Prefix" in said.check("script-name")["text"]
    for header in ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto"):
        assert header in said.check("forwarded")["text"]
    lines = f"{said.lines('script-name')}\n{said.lines('forwarded')}"
    mended = examined(way._replace(config=way.config.replace("fastcgi_pass", f"{lines}\nfastcgi_pass")), trusting)
    assert mended.faults == []
    assert mended.level("forwarded") == "ok"


def test_a_script_name_out_of_a_header_can_be_forged() -> None:
    config = ROOT_OF_NGINX.format(BARE).replace('SCRIPT_NAME ""', "SCRIPT_NAME $http_x_script_name")

    said = examined(Way("nginx", config, ""))

    assert (said.status, said.faults) == (1, ["script-name"])
    assert "X-Script-Name" in said.check("script-name")["text"]


def test_headers_with_underscores_are_a_fault_once_they_are_trusted() -> None:
    said = examined(RIGHT["a3"], ["--trust-proxy", "1", "--forwarded-allow-ips", "unix,127.0.0.1"])

    assert "underscores" in said.faults


def test_a_doubled_prefix_is_a_fault() -> None:
    for options in (["--script-name", PREFIX], ["--prefix", PREFIX, "--trust-proxy", "1"]):
        said = examined(RIGHT["f4"], options)

        assert "prefix" in said.faults
        assert said.check("prefix")["text"] == "the prefix is doubled"


def test_a_prefix_that_the_front_takes_off_before_the_runner_is_a_fault() -> None:
    said = examined(RIGHT["f2"], ["--prefix", PREFIX])

    assert said.faults == ["prefix"]
    assert said.lines("prefix").split()[:2] == ["--script-name", PREFIX]


def test_what_an_app_needs_is_a_fault_where_it_is_missing() -> None:
    streaming = examined(RIGHT["a3"], (), ["--needs", "streaming"])
    authorization = examined(RIGHT["h4"], (), ["--needs", "authorization", "--needs", "encoded-slash"])

    assert (streaming.status, streaming.faults) == (1, ["streaming"])
    assert (authorization.status, authorization.faults) == (1, ["encoded-slash", "authorization"])


@pytest.mark.parametrize("row", ["a3", "f4"])
def test_several_workers_are_examined_as_one_is(row: str) -> None:
    said = examined(RIGHT[row], ["--workers", "2"])

    assert said.status == 0
    assert said.level("streaming") == ("ok" if row == "f4" else "note")


def test_a_redirect_to_another_port_is_a_fault() -> None:
    config = f"port_in_redirect off; location {PREFIX}/ {{ proxy_pass http://ADDRESS; {PROXIED} }}"
    way = Way("nginx", config, PREFIX, "gevent")
    said = examined(way)

    assert said.faults == ["bare-address"]
    assert examined(way._replace(config=f"{said.lines('bare-address')} {config}")).faults == []


def test_an_answer_from_a_cache_is_a_fault(tmp_path: Path) -> None:
    with open_folder() as folder:
        config = f"""proxy_cache_path {folder}/cache keys_zone=zone:1m;
        server {{
            listen 127.0.0.1:PORT;
            location / {{
                proxy_pass http://ADDRESS; proxy_set_header Host $http_host;
                proxy_cache zone; proxy_ignore_headers Cache-Control; proxy_cache_valid 200 1h;
            }}
        }}"""
        said = examined(Way("nginx", config, "", "gevent"))

    assert "cache" in said.faults


def test_a_site_with_tls_is_asked_with_tls(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    request += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(request, check=True, capture_output=True, timeout=DEADLINE)
    listen = f"listen 127.0.0.1:PORT ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"
    trusted = {"SSL_CERT_FILE": str(certificate)}

    with opened(Way("nginx", f"{listen} {E2}")) as front:
        url = f"https://127.0.0.1:{front.port}{PREFIX}"
        fine = run(url, "--json", **trusted)
        unknown = run(url, "--json")
        plain = run(url.replace("https:", "http:"))
    with opened(Way("nginx", f"{listen} location / {{ proxy_pass http://ADDRESS; {PROXIED} }}", "", "gevent")) as front:
        over_http = run(f"https://127.0.0.1:{front.port}", "--json", **trusted)
    with opened(RIGHT["e2"]) as front:
        no_tls = run(f"https://127.0.0.1:{front.port}{PREFIX}", "--json")

    assert (fine.returncode, json.loads(fine.stdout)["ok"]) == (0, True)
    assert (unknown.returncode, json.loads(unknown.stdout)["error"]) == (2, "tls")
    assert "certificate" in json.loads(unknown.stdout)["message"]
    assert plain.returncode == 2
    assert "write https://" in plain.stderr
    said = Said(over_http.returncode, json.loads(over_http.stdout))
    assert said.faults == ["scheme"]
    assert "X-Forwarded-Proto" in said.lines("scheme")
    assert (no_tls.returncode, json.loads(no_tls.stdout)["error"]) == (2, "tls")


#: the probe behind flup alone: its own faults break an app as those of a front do
FLUP = """
import sys
from flup.server.fcgi import WSGIServer
from flask_embed.probe import app
WSGIServer(app, bindAddress=sys.argv[1], umask=0o117).run()
"""


@contextlib.contextmanager
def flup(path: Path) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-c", FLUP, str(path)],
        cwd=ROOT,
        env={**environment(), "FLASK_EMBED_PROBE_TOKEN": TOKEN},
        stdin=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + DEADLINE
        while not path.exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise AssertionError(f"flup ended with {process.wait(0.05)}")
            assert time.monotonic() < end
        yield
    finally:
        process.kill()
        process.wait(DEADLINE)


def test_faults_of_another_server_of_the_app_are_reported() -> None:
    broken = f"location / {{ {STOCK} fastcgi_pass unix:SOCKET; }}"
    with open_folder() as folder, flup(folder / "app.sock"):
        for config, name in ((E2.replace('fastcgi_param HTTP_PROXY "";', ""), None), (broken, "nginx-params-alone")):
            with fronts.nginx(config.replace("SOCKET", f"{folder}/app.sock"), folder) as front:
                ended = run(front.url + PREFIX, "--json")
            said = Said(ended.returncode, json.loads(ended.stdout))

            assert said.status == 1
            assert (said.printed["configuration"] or {}).get("name") == name
            # no runner of this project drops these headers
            assert {"proxy-header", "chunked"} <= set(said.faults)
            assert "HTTP_TRANSFER_ENCODING" in said.check("chunked")["why"]


#: below the prefix, and beside it: the line break is a character of the path
LINE_BREAKS = [f"{PREFIX}/a%0Ab", f"{PREFIX}%0A", f"{PREFIX}%0A/b", f"{PREFIX}/%0A", f"{PREFIX}/a"]


def environs(front: fronts.Front) -> dict[str, Any]:
    """SCRIPT_NAME and PATH_INFO of each request of :data:`LINE_BREAKS`, or the status of the front."""
    found: dict[str, Any] = {}
    for target in LINE_BREAKS:
        connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.request("GET", target, headers={"X-Flask-Embed-Probe": TOKEN})
            answer = connection.getresponse()
            report = json.loads(answer.read()) if answer.status == 200 else None
        environ = report and report["environ"]
        found[target] = (environ["SCRIPT_NAME"], environ["PATH_INFO"]) if environ else answer.status
    return found


def test_a_line_break_in_a_path_moves_no_border_with_the_lines_of_the_doctor() -> None:
    lines = "\n".join(snippets("nginx", Site(PREFIX, gateway=True))["paths"][0].lines)
    with open_folder() as folder, flup(folder / "app.sock"):
        socket = f"{folder}/app.sock"
        config = filled(lines, Way("nginx", "")).replace("SOCKET", socket)
        with fronts.nginx(config, folder) as front:
            by_doctor = environs(front)
        whole = render("nginx", Deployment(app="flask_embed.probe:app", prefix=PREFIX, socket=socket))
        with fronts.nginx(whole.replace("listen 80;", "listen 127.0.0.1:PORT;"), folder) as front:
            by_config = environs(front)

    assert by_doctor == by_config
    assert by_doctor == {
        f"{PREFIX}/a%0Ab": (PREFIX, "/a\nb"),
        f"{PREFIX}%0A": 404,
        f"{PREFIX}%0A/b": 404,
        f"{PREFIX}/%0A": (PREFIX, "/\n"),
        f"{PREFIX}/a": (PREFIX, "/a"),
    }


def test_the_text_is_for_a_person() -> None:
    with opened(BROKEN["nginx-path-info-by-regex"]) as front:
        ended = run(front.url + PREFIX, COLUMNS="100")

    assert (ended.returncode, ended.stderr) == (1, "")
    lines = ended.stdout.splitlines()
    assert re.fullmatch(rf"http://127\.0\.0\.1:\d+{PREFIX}: nginx/\S+, which reaches the app by FastCGI.*", lines[0])
    assert "  FAULT  configuration  nginx-path-info-by-regex" in lines
    assert "  ok     chunked        a body in chunks arrives whole" in lines
    assert '    app sees    SCRIPT_NAME "/yourapplication", PATH_INFO "hello/there"' in lines
    assert '    should see  SCRIPT_NAME "/yourapplication", PATH_INFO "/hello/there"' in lines
    assert "  -> nginx, in place of the location:" in lines
    assert lines[-1] == "4 faults, 3 notes. Correct the first, then run the doctor again."
    assert "\x1b" not in ended.stdout
    assert max(map(len, lines)) <= 110


def test_a_front_without_the_probe_is_reported() -> None:
    with open_folder() as folder:
        config = f"""location / {{ {BARE} fastcgi_pass unix:{folder}/nobody.sock; }}
        location /static {{ return 404; }} location /closed {{ return 403; }}
        location /moved {{ return 301 https://elsewhere.example$uri; }} location /other {{ return 200 "x"; }}"""
        with fronts.nginx(config, folder) as front:
            for path, kind, message in (
                ("/app", "front", "answers 502: the front (nginx/"),
                ("/static", "not-served", "answers 404 (nginx/"),
                ("/closed", "log-in", "answers 403"),
                ("/moved", "elsewhere", "leads to 'https://elsewhere.example/moved'"),
                ("/other", "not-served", "answers 200"),
            ):
                ended = run(front.url + path, "--json")

                printed = json.loads(ended.stdout)
                assert (ended.returncode, printed["error"], printed["ok"]) == (2, kind, False)
                assert message in printed["message"]
                assert ended.stderr == f"python -m flask_embed doctor: {printed['message']}\n"


def test_another_token_finds_no_probe() -> None:
    with opened(RIGHT["e2"]) as front:
        ended = run(front.url + PREFIX, FLASK_EMBED_PROBE_TOKEN="another-token-of-the-tests")

    assert ended.returncode == 2
    assert "has another token in FLASK_EMBED_PROBE_TOKEN" in ended.stderr
    assert "another-token" not in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("runner", ["gevent", "tornado"])
def test_a_runner_alone_has_no_fault(runner: str) -> None:
    arguments = ("flask_embed.probe:app", "--bind", "127.0.0.1:0", "--prefix", "/app")
    with serving(runner, *arguments, variables={"FLASK_EMBED_PROBE_TOKEN": TOKEN}) as started:
        ended = run(f"http://127.0.0.1:{started.port}/app", "--json")
        text = run(f"http://127.0.0.1:{started.port}/app")
        wrong = run(f"http://127.0.0.1:{started.port}/app", FLASK_EMBED_PROBE_TOKEN="another-token-of-16")

    printed = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [check["check"] for check in printed["checks"] if check["level"] == "fault"] == []
    assert (printed["front"], printed["gateway"]) == ("", False)
    assert (text.returncode, text.stderr) == (0, "")
    assert text.stdout.splitlines()[-1].startswith("No fault")
    assert wrong.returncode == 2
    assert "has another token" in wrong.stderr


@pytest.mark.parametrize(
    ("server", "via", "prefix"),
    [
        *[("nginx", via, prefix) for via in ("fastcgi", "http") for prefix in (PREFIX, "")],
        *[("lighttpd", via, PREFIX) for via in ("fastcgi", "http", "spawn", "cgi")],
        *[("apache", via, PREFIX) for via in ("fastcgi", "http", "spawn", "cgi", "wsgi")],
    ],
)
def test_what_config_prints_has_no_fault(server: str, via: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_EMBED_PROBE_TOKEN", TOKEN)
    with open_folder() as folder:
        made = deployment(server, via, folder, app="flask_embed.probe:app", prefix=prefix)
        for packages in folder.glob("venv/lib/python*/site-packages"):  # no web server passes the variable on
            line = f"import os; os.environ['FLASK_EMBED_PROBE_TOKEN'] = {TOKEN!r}\n"
            (packages / "token.pth").write_text(line, "utf-8")
        with deployed(server, made, folder) as front:
            ended = run(front.url + prefix, "--json")

    said = Said(ended.returncode, json.loads(ended.stdout))
    assert (said.status, said.faults) == (0, [])
    assert said.printed["front"] == server
    assert said.level("prefix") == "ok"
