"""What is promised about hostile input and about faults: a test per promise, numbered like the promises.

``promises.py`` lists them, and a test holds that each has one here. The tests stand in files by subject. Most call
apps in-process, with environs that no client library would send (``calls.py``); where a promise is about the wire or
the process, they go through each runner: bytes of HTTP in test_wire.py (the streams themselves are files in
tests/wire), what all four runners have to answer in test_runners.py. They check without ``assert`` (``checks.py``),
and all of them are run once more under ``python -O``. Where a promise says "costs its length", four times the input
may take six times as long; no test looks at milliseconds.

More about the same promises stands with their subjects: the gate in tests/middleware/test_strict.py, ProxyFix in
tests/adapters/test_proxy.py, records of FastCGI in tests/adapters/test_fcgi_records.py and
tests/runners/test_fastcgi.py, waits and connections in tests/runners/test_connections.py, answers that must not be
sent in tests/runners/test_answers.py, processes and sockets in tests/runners/test_workers.py and
tests/adapters/test_listeners.py, large bodies and slow clients in tests/servers/test_load.py.
"""
