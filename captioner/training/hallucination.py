"""Hallucinated objects in captions of images without any: flat colours, noise, pages of text, screenshots, charts.

A content word that can't be true of any such image counts as hallucinated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from captioner import Caption
from captioner.inference.content_words import FUNCTION_WORDS
from captioner.inference.preprocess import tokenize

_ALLOWED_WORDS = """
page pages text texts paper papers sheet sheets document documents letter letters word words writing written print
printed handwriting handwritten number numbers title headline paragraph paragraphs article newspaper list form code
screenshot screenshots screen screens display website webpage web app message messages chat
chart charts graph graphs diagram diagrams plot drawing drawings drawn illustration sketch figure axis axes
line lines bar bars dot dots spot spots circle circles square squares rectangle rectangles triangle triangles shape
shapes stripe stripes striped lined grid curve curves checkered
pattern patterns patterned texture textured noise noisy static grain grainy gradient surface abstract design
plain blank empty solid flat nothing blur blurred blurry fuzzy unclear dark darkness dim
light lighter darker bright pale
color colors colored colorful colour colours coloured colourful black white gray grey red orange yellow green blue
purple violet pink brown beige tan turquoise teal maroon cyan magenta silver gold golden
"""
#: Words that can be true of an image without objects.
ALLOWED_WORDS = frozenset(_ALLOWED_WORDS.split())


def hallucinates(text: str) -> bool:
    """Whether a caption of an image without objects has a content word that is not in `ALLOWED_WORDS`.

    Of a word with hyphens each part is looked at ("black-and-white").
    """
    words = {part for word in tokenize(text) for part in word.split("-")}
    return bool(words - FUNCTION_WORDS - ALLOWED_WORDS)


def hallucination_scores(captions: Mapping[str, Caption]) -> dict[str, Any]:
    """Shares of hallucinated captions of images without objects.

    Args:
        captions: by the pictures' names.

    Returns:
        the share of pictures that got a sentence with an invented thing, the share of those sentences that are not
        sure (None where there are none), the share of pictures of which nothing was said, and the invented sentences.
    """
    pictures = max(len(captions), 1)
    invented = {name: caption for name, caption in captions.items() if hallucinates(caption.text)}
    unsure = sum(not caption.sure for caption in invented.values())
    return {
        "pictures": len(captions),
        "invented": round(len(invented) / pictures, 4),
        "unsure of the invented": round(unsure / len(invented), 4) if invented else None,
        "empty": round(sum(not caption.text for caption in captions.values()) / pictures, 4),
        "sentences": [
            {"picture": name, "text": caption.text, "confidence": round(caption.confidence, 3), "sure": caption.sure}
            for name, caption in invented.items()
        ],
    }
