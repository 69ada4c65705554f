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

#: Sentences that older versions recorded, and what is said in their place today.
_FORMER = {
    "the camera's MakerNote points past the end of the Exif block": (
        "the camera's own notes in this file could be damaged (its MakerNote points past the end of the Exif block)"
    ),
    "the camera's MakerNote points past the end of the file": (
        "the camera's own notes in this file could be damaged (its MakerNote points past the end of the file)"
    ),
    "the camera's MakerNote points at a preview outside the Exif block": (
        "a preview that the camera keeps in this file could be lost (its MakerNote points outside the Exif block)"
    ),
    "the camera's MakerNote may point at the data behind the picture, which is of no known kind": (
        "what the camera keeps behind the picture could be lost "
        "(its MakerNote may point there, and the data is of no known kind)"
    ),
    "the Exif block points at data behind the picture": (
        "what the camera keeps behind the picture could be lost (the Exif block points there)"
    ),
    "the thumbnail lies outside the Exif block": (
        "the small preview in this file could be damaged (the thumbnail lies outside the Exif block)"
    ),
    "an AFCP trailer holds absolute positions in the file": (
        "what another program keeps behind the picture could be lost "
        "(an AFCP trailer holds absolute positions in the file)"
    ),
    "an MPF segment stands before the place of the caption, and its offsets would break": (
        "the further pictures in this file could be lost (an MPF segment stands before the place of the caption)"
    ),
}


class Reasons:
    """Sentences by the templates of their English ones."""

    def __init__(self, translated: Mapping[str, str]) -> None:
        translated = {former: translated.get(today, today) for former, today in _FORMER.items()} | dict(translated)
        self._fixed = {template: text for template, text in translated.items() if not _PLACE.search(template)}
        # The longest first: it says most of the sentence itself.
        filled = sorted((template for template in translated if template not in self._fixed), key=len, reverse=True)
        self._filled = [(_pattern(template), translated[template]) for template in filled]
        self._known = lru_cache(maxsize=1024)(self._told)

    def told(self, reason: str) -> str:
        """`reason` itself where its template is not known."""
        return self._known(reason) if len(reason) <= _LONGEST else reason

    def _told(self, reason: str) -> str:
        told = self._one(reason)
        if told is None:  # several may be joined: why the file did not take the caption, and why no sidecar did
            return "; ".join(self._one(part) or part for part in reason.split("; "))
        return told

    def _one(self, reason: str) -> str | None:
        if reason in self._fixed:
            return self._fixed[reason]
        for pattern, text in self._filled:
            if match := pattern.fullmatch(reason):
                return text % {name: self._fixed.get(value, value) for name, value in match.groupdict().items()}
        if (detailed := _DETAILED.fullmatch(reason)) and detailed["reason"] in self._fixed:
            return f"{self._fixed[detailed['reason']]} ({detailed['detail']})"
        return None


def _pattern(template: str) -> re.Pattern[str]:
    """Each value ends where the text behind it first stands. That is never tried again further on (an atomic group):
    the last value takes what is left, and a sentence that names hostile files can't keep us busy."""
    first, *pairs = _PLACE.split(template.replace("%%", "%"))
    names, texts = pairs[::2], pairs[1::2]
    *inner, last = (f"(?P<{name}>.+?){re.escape(text)}" for name, text in zip(names, texts, strict=True))
    return re.compile("".join([re.escape(first), *(f"(?>{one})" for one in inner), last]), re.DOTALL)
