"""Reasons that were recorded in English, in the reader's language.

Why a photo was set aside, or why its caption could not be written into it, stands in the catalogue as a sentence. It is
recognised by the template that it was made of; what filled the template is taken over as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

#: Where a translation keeps them: the context of their messages.
CONTEXT = "reason"
_LONGEST = 2000  # characters; what is longer is a decoder's own text
_DETAILED = re.compile(r"(?P<reason>.+?) \((?P<detail>.*)\)", re.DOTALL)
_PLACE = re.compile(r"%\((\w+)\)s")


class Reasons:
    """Sentences by the templates of their English ones."""

    def __init__(self, translated: Mapping[str, str]) -> None:
        self._fixed = {template: text for template, text in translated.items() if not _PLACE.search(template)}
        # The longest first: it says most of the sentence itself.
        filled = sorted((template for template in translated if template not in self._fixed), key=len, reverse=True)
        self._filled = [(_pattern(template), translated[template]) for template in filled]
        self._known = lru_cache(maxsize=1024)(self._told)

    def told(self, reason: str) -> str:
        """`reason` itself where its template is not known."""
        return self._known(reason) if len(reason) <= _LONGEST else reason

    def _told(self, reason: str) -> str:
        if reason in self._fixed:
            return self._fixed[reason]
        for pattern, text in self._filled:
            if match := pattern.fullmatch(reason):
                return text % {name: self._fixed.get(value, value) for name, value in match.groupdict().items()}
        if (detailed := _DETAILED.fullmatch(reason)) and detailed["reason"] in self._fixed:
            return f"{self._fixed[detailed['reason']]} ({detailed['detail']})"
        return reason


def _pattern(template: str) -> re.Pattern[str]:
    pieces = _PLACE.split(template.replace("%%", "%"))
    seen = set[str]()
    written = [re.escape(pieces[0])]
    for name, rest in zip(pieces[1::2], pieces[2::2], strict=True):
        written += [f"(?P={name})" if name in seen else f"(?P<{name}>.+?)", re.escape(rest)]
        seen.add(name)
    return re.compile("".join(written), re.DOTALL)
