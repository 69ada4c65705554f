"""Content words: those of a sentence that name something visible. Needs no TensorFlow."""

from __future__ import annotations

from captioner.inference.preprocess import SPECIAL, Vocabulary, tokenize

_FUNCTION_WORDS = """
's a about above across after against ahead all along also although am among an and another any appear
appears are area around as at atop away back background be because been before behind being below
beneath beside besides between beyond big both bottom but by can close closely day different distance do
does doing down during each edge either end etc every face facing far few first for foreground four from
front full get gets getting go goes going group has have having he her here hers high him himself his
hold holding holds how if image in inside into is it its itself just kind large left like little long
look looking looks lot made make makes making many middle more most much multiple near nearby next no
nobody nor not number of off on one ones onto open or other others out outside over own pair part past
photo photograph picture piece pose poses posing preparing put puts putting ready right round s s' same
see seen sees set several she show showing shown shows side sides single sit sits sitting small so some
someone something sort stand standing stands such t t's t-shirted take taken takes taking than that the
their them themselves then there these they this those three through to together top toward towards
tries try trying two type under underneath up upon use used uses using variety various very view was way
we wear wearing wears well were what when where which while who whose with within without x you your
"""
#: Grammatical words, and words for nothing that can be seen.
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def content_words(text: str) -> list[str]:
    """The content words of a sentence, in order."""
    return [word for word in tokenize(text) if word not in FUNCTION_WORDS]


def content_ids(vocabulary: Vocabulary) -> frozenset[int]:
    """The ids of the content words of a vocabulary."""
    return frozenset(i for i, word in enumerate(vocabulary.words) if i >= len(SPECIAL) and word not in FUNCTION_WORDS)
