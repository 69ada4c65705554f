"""Screenshots of phones and computers: chats, lists, settings, mail, web pages, terminals, editors, maps.

None holds a photo: where one would be, a placeholder is. A screenshot of a photo is both, and is not made here.
"""

from __future__ import annotations

from PIL import Image

from captioner.training.non_photos import camera
from captioner.training.non_photos.desktop import DESKTOP_APPS, desktop, task_bar
from captioner.training.non_photos.phone import phone
from captioner.training.non_photos.sampling import (
    Rng,
    happens,
    pick,
)
from captioner.training.non_photos.screen import (
    blank_screen,
)


def screenshot(rng: Rng) -> Image.Image:
    """A screenshot of a phone or of a computer, whole or a part, now and then photographed from the screen."""
    on_phone = happens(rng, 0.6)
    screen = blank_screen(rng, phone=on_phone)
    width, height = screen.picture.size
    if on_phone:
        phone(rng, screen)
    elif happens(rng, 0.5):
        pick(rng, DESKTOP_APPS)(rng, screen, (0, 0, width, height))
        task_bar(rng, screen)
    else:
        desktop(rng, screen)
    if happens(rng, 0.06):
        return camera.photograph(screen.picture, rng)
    return screen.picture
