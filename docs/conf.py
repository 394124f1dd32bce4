"""The build of the documentation: ``make docs``. It needs no network."""

import flask_embed

project = "flask_embed"
author = "the flask_embed developers"
project_copyright = author
release = flask_embed.__version__

extensions = ["myst_parser"]
exclude_patterns = ["build"]
html_theme = "furo"
html_title = f"flask_embed {release}"
html_copy_source = False
myst_heading_anchors = 3
nitpicky = True
