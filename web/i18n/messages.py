"""Every text of the page, out of its sources, and the files that translate them.

    python -m web.i18n.messages de

brings languages/de.po up to date, or begins it: new texts stand there without a translation, those that are gone are
left out, and a text that changed is new, as a translation that is only like the right one is worse than English.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from web.i18n.language import LANGUAGES_DIRECTORY
from web.i18n.reasons import CONTEXT

_SOURCES = Path(__file__).parents[2]
#: Functions and classes whose first arguments are texts, and how many of them.
_CALLS = {"text": 1, "marked": 1, "Message": 1, "plural": 2}
#: Errors whose text is recorded, or shown, as a sentence: it is recognised by its template.
_REASONS = frozenset(
    {
        *("CaptionRefused", "UnreadablePhoto", "PhotoTooHeavy", "PhotoVanished", "SearchError"),
        *("noted", "_translated"),
    }
)
#: Sentences that are recorded where no error is raised.
_CONSTANTS = frozenset(
    {
        *("CAPTIONS_OFF", "PERSONS_WORDS", "UNDONE", "WRONG", "UNSURE", "NOTHING_SEEN", "CHANGED_SINCE"),
        *("KEPT_CHANGING", "NOT_OURS", "LINK_OUT", "_OTHER_HINT", "_HINT", "_GUILTY_TWICE"),
    }
)
_PLACE = re.compile(r"%\(\w+\)s")
_WIDTH = 120
#: What readers of .po files need, and no dates or names that would change by themselves.
_HEADER = r"""msgid ""
msgstr ""
"Language: {language}\n"
"Plural-Forms: {plurals}\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"

"""


def messages() -> Catalog:
    """All texts of templates and modules."""
    found = Catalog(charset="utf-8")
    for path in sorted((_SOURCES / "web" / "templates").glob("*.html")):
        for line, text in _of_template(path):
            found.add(text, locations=[(_told(path), line)])
    for package in ("indexer", "web"):
        for path in sorted((_SOURCES / package).rglob("*.py")):
            for line, text, context in _of_module(path):
                found.add(text, locations=[(_told(path), line)], context=context)
    return found


def update(language: str, directory: Path = LANGUAGES_DIRECTORY) -> Path:
    """Brings a language's file up to date with the sources; gives its path."""
    path = directory / f"{language}.po"
    known = Catalog(language, project="recollect", charset="utf-8", fuzzy=False)
    if path.exists():
        with path.open("rb") as file:
            known = read_po(file, locale=language)
    known.update(messages(), no_fuzzy_matching=True, update_creation_date=False)
    with path.open("wb") as file:
        file.write(_HEADER.format(language=language, plurals=known.plural_forms).encode())
        write_po(file, known, width=_WIDTH, ignore_obsolete=True, include_lineno=False, omit_header=True)
    return path


def _told(path: Path) -> str:
    return path.relative_to(_SOURCES).as_posix()


def _of_template(path: Path) -> Iterator[tuple[int, str | tuple[str, ...]]]:
    options = {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true", "silent": "false"}
    with path.open("rb") as file:
        for line, _, text, _ in babel_extract(file, ("_", "gettext", "ngettext"), [], options):
            texts = (text,) if isinstance(text, str) else tuple(one for one in text or () if one)
            yield line, texts[0] if len(texts) == 1 else texts


def _of_module(path: Path) -> Iterator[tuple[int, str | tuple[str, ...], str | None]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in _CONSTANTS:
            yield from _of_reason(node.value)


def _of_call(node: ast.Call) -> Iterator[tuple[int, str | tuple[str, ...], str | None]]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name in _CALLS and isinstance(node.func, ast.Name):
        texts = [str(one.value) for one in node.args[: _CALLS[name]] if isinstance(one, ast.Constant)]
        if len(texts) == _CALLS[name]:
            yield node.lineno, texts[0] if len(texts) == 1 else tuple(texts), None
    elif name in _REASONS:
        hints = [keyword.value for keyword in node.keywords if keyword.arg == "hint"]
        for reason in (*node.args[:1], *hints):
            yield from _of_reason(reason)
    elif name.startswith("HTTP"):
        for keyword in node.keywords:
            if keyword.arg == "text" and isinstance(keyword.value, ast.Constant):
                yield node.lineno, str(keyword.value.value), None


def _of_reason(node: ast.expr) -> Iterator[tuple[int, str, str]]:
    template = _template(node)
    if template and any(map(str.isalpha, _PLACE.sub("", template))):
        yield node.lineno, template, CONTEXT


def _template(node: ast.expr) -> str | None:
    """A text with a place for each value that is formatted into it; None where it is no text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    written, places = [], 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            written.append(str(part.value).replace("%", "%%"))
        else:
            places += 1
            written.append(f"%(value{places})s")
    return "".join(written)


if __name__ == "__main__":
    for language in sys.argv[1:]:
        update(language)
