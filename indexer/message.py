"""A sentence for people that can be said in another language: its template is one text, whatever it is filled with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


class Message:
    """A `template` that has ``%(name)s`` for each of its `values`. As `str`, the sentence in English."""

    __slots__ = ("template", "values")

    def __init__(self, template: str, /, **values: object) -> None:
        self.template = template
        self.values: Mapping[str, object] = MappingProxyType(values)

    def __str__(self) -> str:
        return self.template % {
            name: f"{value:,}" if isinstance(value, int) else value for name, value in self.values.items()
        }

    def __repr__(self) -> str:
        return f"Message({self.template!r}, **{dict(self.values)!r})"


def N_(message: str) -> str:  # noqa: N802 - the name that gettext's tools know
    """`message` itself, noted for translators: it is translated where it is shown."""
    return message
