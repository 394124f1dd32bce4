"""The app for Apache's mod_wsgi, which looks for ``application`` in this file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # mod_wsgi does not look beside the file

from yourapplication import app as application  # noqa: E402, F401
