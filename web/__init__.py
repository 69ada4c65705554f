"""The search page. Imported as ``from web.app import make_app``, never as ``import web``."""
