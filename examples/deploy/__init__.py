"""Files that put an app behind a web server, each a few lines long, and the app that they are about."""
