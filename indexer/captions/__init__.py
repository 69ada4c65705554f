"""Captions in photo files: written so that nothing is lost, verified, and undone byte for byte."""
