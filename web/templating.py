"""The templates: escaped always, undefined names an error, and what every one of them may use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
import jinja2.ext
from aiohttp import web
from markupsafe import Markup

from web import links, presenters, progress_texts, static_files, tiles
from web.app_keys import PEOPLE_SWITCH, SETTINGS
from web.i18n import language

#: An address of this application that stands in a template.
_ADDRESS = re.compile(r'(\s(?:href|src|action|formaction)=")/(?!/)')


class BasePaths(jinja2.ext.Extension):
    """Puts the path that the page is served under before every address that a template writes as ``"/..."``."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The template's text with its addresses completed; its lines stay where they are."""
        return _ADDRESS.sub(r"\1{{ links.base_path() }}/", source)


def set_up_templates(app: web.Application) -> None:
    """Reads templates from beside this module."""
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # it would ask the disk for the age of each template, at every letter typed
        extensions=["jinja2.ext.i18n", BasePaths],
    )
    # As `install_gettext_callables(newstyle=True)` would, but numbers are written in the reader's way.
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    environment.filters.update(
        number=language.number,
        highlight=tiles.highlight,
        stack_size=tiles.stack_size,
        clean=presenters.clean,
        message_text=presenters.message_text,
    )
    environment.globals.update(
        _=_gettext,
        gettext=_gettext,
        ngettext=_ngettext,
        language=language,
        links=links,
        people_switch=PEOPLE_SWITCH,
        presenters=presenters,
        progress_texts=progress_texts,
        protected=bool(app[SETTINGS].password),
        static_files=static_files,
        tile_link=tiles.tile_link,
    )


def render_to_string(request: web.Request, template: str, context: Mapping[str, Any]) -> str:
    """The HTML that `template` makes of `context`; in any thread that has the reader's language."""
    return aiohttp_jinja2.render_string(template, request, {**context, "request": request})


def render(request: web.Request, template: str, context: Mapping[str, Any], *, status: int = 200) -> web.Response:
    """The page that `template` makes of `context`; also for requests that no route was found for."""
    return aiohttp_jinja2.render_template(template, request, {**context, "request": request}, status=status)


def _gettext(message: str, /, **values: object) -> Markup:
    """A text of a template; what is put into it is escaped."""
    return Markup(language.current_language().texts.gettext(message)) % language.format_values(values)  # noqa: S704 - a text of ours


def _ngettext(singular: str, plural: str, count: int, /, **values: object) -> Markup:
    text = language.current_language().texts.ngettext(singular, plural, count)
    return Markup(text) % language.format_values({"num": count, **values})  # noqa: S704 - a text of ours
