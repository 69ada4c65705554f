"""Extracts every text of the page with Babel's tools, and updates the files that translate them.

    python -m web.i18n.messages de

does what ``pybabel extract -F web/i18n/babel.cfg`` with these keywords, and ``pybabel update``, do: it brings
languages/de.po up to date, or begins it. New texts stand there without a translation, those that are gone are left out,
and a text that changed is new, as a translation that is only like the right one is worse than English.
"""

from __future__ import annotations

import sys
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

from web.i18n.language import LANGUAGES_DIRECTORY

_SOURCES = Path(__file__).parents[2]
_MAPPING = Path(__file__).parent / "babel.cfg"
#: The functions and classes that take texts, and which of their arguments are texts.
KEYWORDS = {**dict.fromkeys(("_", "gettext", "N_", "Message", "WrongRequest")), "ngettext": (1, 2)}
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


def _is_source_folder(folder: str) -> bool:
    """Whether a folder is one of the sources': what else lies beside them, however large, is not searched."""
    return Path(folder).relative_to(_SOURCES).parts[0] in {"indexer", "web"}


def messages() -> Catalog:
    """All texts of templates and modules."""
    with _MAPPING.open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    catalogue = Catalog(charset="utf-8")
    texts = extract_from_dir(_SOURCES, methods, options, KEYWORDS, directory_filter=_is_source_folder)
    # In this order the templates' texts come first, as people meet them there.
    for path, line, text, _, context in sorted(texts, key=lambda one: (not one[0].endswith(".html"), one[:2])):
        catalogue.add(text, locations=[(path, line)], context=context)
    return catalogue


def update(language: str, directory: Path = LANGUAGES_DIRECTORY) -> Path:
    """Brings a language's file up to date with the sources; gives its path."""
    path = directory / f"{language}.po"
    catalogue = Catalog(language, project="recollect", charset="utf-8", fuzzy=False)
    if path.exists():
        with path.open("rb") as file:
            catalogue = read_po(file, locale=language)
    catalogue.update(messages(), no_fuzzy_matching=True, update_creation_date=False)
    with path.open("wb") as file:
        file.write(_HEADER.format(language=language, plurals=catalogue.plural_forms).encode())
        write_po(file, catalogue, width=_WIDTH, ignore_obsolete=True, include_lineno=False, omit_header=True)
    return path


if __name__ == "__main__":
    for language in sys.argv[1:]:
        update(language)
