#!/usr/bin/env python3
"""The app over FastCGI: a web server starts it once (lighttpd's bin-path, Apache's mod_fcgid) and hands its socket over."""

from flask_embed.adapters.fastcgi_server import WSGIServer
from yourapplication import app

if __name__ == "__main__":
    WSGIServer(app).run()
