"""Plots of how the time of a request grows with an app, ours beside Flask and Falcon; README.md tells what is seen."""
