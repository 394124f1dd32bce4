"""One site, written with each framework that the benchmarks compare: ours, five others, and a bare callable.

Each module has a function for each kind of app (``Kind`` in :mod:`tests.benchmarks.workloads`) that its framework can
make, and in ``LACKS`` what of the site the framework has no means for. That is not written here for it: the cell of the
table stays empty.
"""
