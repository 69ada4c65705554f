"""Photos that another model has described: how many, what becomes of them, and describing them again now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from indexer.errors import SetupError
from indexer.hours import DailyHours
from indexer.jobs.reindex import CaptionModels, QueuedCaptions, count_by_model, current_model, enqueue_captions
from indexer.message import N_
from indexer.settings import Settings
from web.app_keys import COUNTS, LIBRARY, SETTINGS, WAKE, in_database_thread
from web.i18n.language import gettext, translate
from web.i18n.localized import hour_text
from web.presenters import clean


@dataclass(frozen=True, slots=True)
class ModelView:
    """The caption model in use, and whose words there are."""

    name: str
    problem: str
    own: int  # photos that it described
    others: tuple[tuple[str, int], ...]  # other models, and how many photos; none where no model can be used
    by_others: int
    queued: int  # files that wait for it
    marked_wrong: int
    by_itself: str  # when it is that the photos of the others are described again; "" for never

    @property
    def can_describe_again(self) -> bool:
        """Whether there is more to ask for than was asked already."""
        return self.by_others > self.queued


async def caption_models(request: web.Request) -> CaptionModels:
    """Which models have described the photos. Raises `SetupError` where the one in use can't be read."""
    model = await asyncio.to_thread(current_model, request.config_dict[SETTINGS])
    return await in_database_thread(request, count_by_model, request.config_dict[LIBRARY], model)


async def model_view(request: web.Request) -> ModelView:
    """As it is shown on the status page."""
    settings = request.config_dict[SETTINGS]
    wrong = await in_database_thread(request, request.config_dict[LIBRARY].feedback.count_marked_wrong)
    try:
        models = await caption_models(request)
    except SetupError as error:
        return ModelView("", clean(translate(error.message)), 0, (), 0, 0, wrong, "")
    return ModelView(
        name=clean(models.current),
        problem="",
        own=models.own,
        others=tuple((clean(model) or gettext("an unknown model"), photos) for model, photos in models.others.items()),
        by_others=models.by_others,
        queued=models.queued,
        marked_wrong=wrong,
        by_itself=_by_itself(settings),
    )


def _by_itself(settings: Settings) -> str:
    if not settings.recaption_hours:
        return ""
    hours = DailyHours.parse(settings.recaption_hours)
    if hours.is_whole_day:
        return gettext("They are described again by themselves when there is nothing else to do.")
    begin, end = hour_text(hours.begin), hour_text(hours.end)
    return gettext("They are described again by themselves between %(begin)s and %(end)s.", begin=begin, end=end)


async def describe_again(request: web.Request) -> QueuedCaptions:
    """Queues what `recollect reindex --captions` does. 503 where the caption model can't be read."""
    try:
        model = await asyncio.to_thread(current_model, request.config_dict[SETTINGS])
    except SetupError as error:
        raise web.HTTPServiceUnavailable(
            text=N_("The caption model can't be used. The status page says why.")
        ) from error
    queued = await in_database_thread(request, enqueue_captions, request.config_dict[LIBRARY], model)
    if queued.captions or queued.corrections:
        request.config_dict[COUNTS].forget()
        request.config_dict[WAKE]()
    return queued
