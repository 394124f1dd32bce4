"""Glue to one foreign thing per file; installed as ``flask_embed.adapters``."""
