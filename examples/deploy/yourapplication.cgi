#!/usr/bin/env python3
"""The app as a CGI script: a web server starts it for each request."""

from flask_embed.adapters.cgi_handler import CGIHandler
from yourapplication import app

CGIHandler().run(app)
