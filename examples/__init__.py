"""Apps to run, read and copy from; README.md lists them, each has its test in tests/examples."""
