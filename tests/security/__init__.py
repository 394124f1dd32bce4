"""The promises about hostile input and about faults: each has a test whose name carries its number.

``promises.py`` lists them; ``test_promises.py`` fails if one has no test. The tests stand in files by subject. Those
here call apps in-process, with environs that no client library would send (``calls.py``). Promises about the wire or
the process are tested in tests/runners/security, through each runner: bytes of HTTP in test_wire.py (the streams
themselves are files in tests/wire), the answers of all four runners in test_promises_served.py. Both folders check
without ``assert`` (``checks.py``), and are run once more under ``python -O``. Where a promise says "time that grows
with its length", four times the input may take six times as long; no test compares milliseconds.

More about the same promises stands with their subjects: the gate in tests/middleware/test_strict.py, ProxyFix in
tests/adapters/test_proxy.py, records of FastCGI in tests/adapters/test_fcgi_records.py and
tests/runners/test_fastcgi.py, waits and connections in tests/runners/test_connections.py, answers that must not be
sent in tests/runners/test_answers.py, processes and sockets in tests/runners/test_workers.py,
tests/runners/test_supervisor.py and tests/adapters/test_listeners.py, large bodies and slow clients in
tests/servers/test_load.py.
"""
