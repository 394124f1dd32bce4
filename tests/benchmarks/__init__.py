"""Benchmarks: side by side in one run, told as ratios. No part of the test suite."""
