"""Which languages the words of a library are in, besides English, recognised by common words among them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import MappingProxyType

from indexer.search.inflections import LANGUAGES, stem_of

#: So many different function words of a language show that it is used; names have one or two ("Rio de Janeiro").
_FUNCTION_WORDS_FROM = 3
_FUNCTION_WORDS = MappingProxyType(
    {
        "german": "und der mit auf im bei zum zur beim vom das unser unsere ein eine nach ist von dem ohne",
        "french": "et les des du avec dans une sur aux notre nos chez pour est dans mes",
        "spanish": "el los las del con una en nuestra nuestro por mis y para",
        "italian": "il di della del con gli nel una nella nostra nostro alla dei per",
        "dutch": "de het een van met op bij aan naar onze mijn voor en",
    }
)
# Nouns that people write under photos, folded; one is enough, as none is a word of English or a common name.
_NOUNS = MappingProxyType(
    {
        "german": """
            urlaub geburtstag geburtstage hochzeit hochzeiten kinder familien garten gaerten weihnachten ostern
            wanderung wanderungen ausflug ausfluge ferien katze katzen hund hunde haus hauser berge schloss schlosser
            kirche kirchen baum baume blume blumen schnee oma omas opa opas strande torte torten kuchen meer insel
            inseln reise reisen pferd pferde vogel wald walder wiese wiesen freunde feier feiern schule schulen taufe
            madchen junge mutter vater bruder schwester grosseltern tante onkel haustier tiere brucke brucken strasse
            strassen fahrrad fahrrader sonne sommer stadt stadte dorf dorfer ziege ziegen kuh kuhe schafe huhner enten
            hasen schiffe zuge boote bilder kleider bucher spiele felder flusse tannen rosen herbst winterurlaub
            fruhling einschulung sonnenuntergang spaziergang konfirmation kommunion nachbarn kindergarten
            """,
        "french": """
            plage plages montagne montagnes vacances anniversaire anniversaires mariage mariages enfants enfant maison
            maisons jardin jardins neige chien chiens chiots fleurs fleur noel eglise eglises randonnee bateau bateaux
            mere pere fille filles garcon garcons foret forets arbre arbres oiseau oiseaux cheval chevaux chateau
            chateaux gateau gateaux lac lacs rue rues vache vaches
            """,
        "spanish": """
            playa playas vacaciones cumpleanos boda bodas ninos nino nina ninas perro perros perra gato gatos gatas
            flores navidad iglesia iglesias abuela abuelo abuelos verano nieve arbol arboles pajaro pajaros caballo
            caballos barco barcos hermano hermana hermanos hermanas hija hijos jardines montanas cabana fiestas amigos
            amigas calle calles  bosque bosques
            """,
        "italian": """
            spiaggia spiagge vacanze vacanza compleanno compleanni matrimonio matrimoni famiglia famiglie bambini
            bambino bambina bambine giardino giardini cane cani gatto gatti fiore fiori chiesa chiese nonna nonne
            nonno nonni albero alberi uccello uccelli cavallo cavalli barca barche montagna montagne ragazza ragazze
            ragazzo ragazzi fratello sorella sorelle isola isole natale
            """,
        "dutch": """
            vakantie vakanties verjaardag verjaardagen bruiloft kinderen huizen tuin tuinen honden hond katten bloemen
            bloem kerst kerk kerken zomer sneeuw bomen vogels paarden paard boten fiets fietsen kasteel kastelen
            vrienden meisje meisjes jongens bergen stranden strandvakantie wandeling taart taarten
            """,
    }
)


def _table(texts: dict[str, str] | MappingProxyType[str, str]) -> dict[str, frozenset[str]]:
    return {language: frozenset(texts[language].split()) for language in LANGUAGES}


_LITTLE, _TELLING = _table(_FUNCTION_WORDS), _table(_NOUNS)


def languages_among(known: Collection[str]) -> tuple[str, ...]:
    """The languages of `inflections.LANGUAGES` that the folded words `known` show to be used."""
    return tuple(
        language
        for language in LANGUAGES
        if any(word in known for word in _TELLING[language])
        or sum(word in known for word in _LITTLE[language]) >= _FUNCTION_WORDS_FROM
    )


_NO_WORD = "xq"
#: More forms of these nouns, which are words of English, too, or names.
_SINGULARS = MappingProxyType({"german": "kind berg bild spiel feld kleid buch schiff tier strand ente hase huhn zug"})


def _noun_stems() -> Iterator[tuple[str, str]]:
    for language, nouns in reversed(_TELLING.items()):
        for noun in (*nouns, *_SINGULARS.get(language, "").split()):
            yield noun, f"{_NO_WORD}{language}{stem_of(noun, language)}"


_NOUN_STEMS = dict(_noun_stems())


def noun_stem(word: str) -> str:
    """A key of the folded word if it is one of the nouns by which languages are recognised: the same for all its forms,
    and equal to no word; empty for any other word."""
    return _NOUN_STEMS.get(word, "")
