"""What every training program's command line begins with."""

from __future__ import annotations

import argparse


def program_parser(name: str, docstring: str | None) -> argparse.ArgumentParser:
    """A parser for `python -m captioner.training.NAME`, described by the first line of the module's docstring."""
    description = (docstring or "").partition("\n")[0]
    return argparse.ArgumentParser(prog=f"python -m captioner.training.{name}", description=description)
