"""Replacing a photo by a changed copy of it: whole or not at all."""

from __future__ import annotations

import re

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.captmp", re.DOTALL)


def is_temporary(name: str) -> bool:
    """Whether a file name is that of a copy in the making (`.NAME.xxxxxxxx.captmp`), which nobody should look at."""
    return _TEMPORARY.fullmatch(name) is not None
