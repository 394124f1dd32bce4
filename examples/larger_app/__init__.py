"""A field guide to garden birds, as a package: the app here, its views in modules of their own.

``python -m examples.larger_app`` serves it, README.md has the rest.
"""

from __future__ import annotations

from flask_embed import Flask

app = Flask(__name__)

# These modules put their views on the app when they are imported, so nothing here calls them by name. They import
# the app from this module, which is imported at that moment: a circle, and a harmless one, because the app is made
# already and they want nothing else. Above the line that makes it, they would find no app here (ImportError).
from examples.larger_app import navigation  # noqa: E402, F401
from examples.larger_app.views import birds, pages  # noqa: E402, F401
