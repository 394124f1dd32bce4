"""Run the command ``flask-embed``: ``python -m flask_embed``; ``--help`` lists the commands."""

from __future__ import annotations

from flask_embed.cli import main

if __name__ == "__main__":
    main(prog_name="python -m flask_embed")
