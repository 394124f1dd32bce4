"""What is promised about hostile input and about faults: a test per promise, numbered like the promises.

The tests stand in files by subject; they call apps in-process, with environs that no client library would send
(``calls.py``), and check without ``assert`` (``checks.py``), so that they say the same under ``python -O``.
Where a promise says "in linear time", four times the input may take six times as long; no test looks at milliseconds.

Promises that have no test here, or not all of it:

==========  ==========================================================================================
6, 8        a request without Host or in absolute form: what the server's parser makes of it is in tests/wire; here
            only what the app does with the environ
14          no helper decides where a client may be sent next
27          in tests/adapters/test_proxy.py, and through a runner in tests/runners/test_mounting.py
29, 30      which headers become which keys of the environ is in tests/adapters/test_heads.py; here only that no key
            counts
7, 87       the gate refuses them, in tests/middleware/test_strict.py, and the runners, in tests/wire; here only that
            the app does not break
93 to 96,   what the runners make of such an answer is in tests/runners/test_answers.py; here what the app does
99
103         a template from a client is unsafe; the description of render_template_string says so
120, 121    what the server does with the connection is in tests/runners/test_connections.py; here only that the
            request ends
123         in tests/runners/test_tornado_host.py
128, 129    the SQLAlchemy adapter
130         its remove(); here any teardown function
131 to 143  bytes on the wire: the files of tests/wire, through each runner in tests/runners/test_wire.py, and what
            takes time in tests/runners/test_connections.py and tests/servers/test_load.py
144, 146,   in tests/runners/test_workers.py, test_gevent.py and test_fastcgi.py, tests/adapters/test_listeners.py
147
148, 149    in tests/runners/test_fastcgi.py
151, 152    in tests/adapters/test_cgi.py and tests/runners/test_cgi.py, for FastCGI in tests/runners/test_fastcgi.py
158, 159    the runners and the debugger of werkzeug
160         the gate refuses another wsgi.url_scheme, in tests/middleware/test_strict.py; ProxyFix takes no other, in
            tests/adapters/test_proxy.py; here only that no header sets it
==========  ==========================================================================================
"""
