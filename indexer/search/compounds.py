"""The words that a word is made of: "Torte" in "Geburtstagstorte", "ball" in "football", "Party" in "BirthdayParty".

A German compound is taken apart where its last part is one of the nouns below. The part before that has to be one of
them, too, or one of the other beginnings; before the nouns without a hyphen it may be anything ("Norderneyurlaub").
English compounds are listed one by one, as what ends in a word often is none of that kind ("hotdog", "butterfly",
"garage"). Capitals within a word, as in names of files, part any words.

Measured: tests/indexer/search/data/compounds.tsv, and of 13,000 words of English captions those that are taken apart.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from indexer.search.inflections import german_stem
from indexer.search.languages import noun_stem
from indexer.search.stems import stem
from indexer.text import fold, has_digit

#: Letters of a word that is made of others.
SHORTEST_COMPOUND = 6
SHORTEST_PART = 3
_SHORTEST_UNKNOWN = 3
_LONGEST_ENDING = 2  # of an English plural
_SHORTEST_TOLD = 4  # of the words before the last one
#: What may stand between two parts.
_LINKS = ("", "s", "n", "en", "es", "er", "e", "ns")
#: Of a noun; its umlaut goes in folding.
_ENDINGS = ("", "n", "s", "e", "en", "es", "er", "ern", "nen")
_VERBAL = """
ab an auf aus be bei durch ein emp ent er fest ge her hin in los miss mit nach uber ueber um un unge unter ver vor weg
wider wieder zer zu zuruck zusammen
"""
#: Of verbs: what stands behind them is no noun ("verstörte" has no Torte).
_PREFIXES = frozenset(_VERBAL.split())
_VOWEL = re.compile("[aeiouy]")

# Without a hyphen: also behind a beginning that is not listed, as hardly any other word ends so.
_NOUNS = """
torte kuchen muffin waffel pfannkuchen kekse keks plätzchen brötchen schokolade -eis -obst gemüse salat suppe pizza
nudeln wurst braten -käse frühstück -essen mahlzeit picknick buffet -tee kaffee -wein -bier -saft flasche -tasse
-teller kanne gabel löffel apfel -birne kirsche erdbeere himbeere -beere -tomate gurke kürbis kartoffel -nuss -pilz
trauben zitrone urlaub ferien ausflug -reise -fahrt -flug -tour -wanderung spaziergang expedition kreuzfahrt rundfahrt
radtour camping -zelt strand insel küste -meer -see -fluss -bach -ufer -hafen -bucht düne klippe wasserfall brunnen
-quelle teich -moor schlucht höhle -berg gebirge gipfel gletscher vulkan -alm -hütte -tal -wald -wiese -feld -acker
-weide -heide garten -park -baum strauch -hecke -gras blume -rose tulpe sonnenblume strauss blüte -blatt -zweig -moos
kaktus orchidee -weg pfad strasse -gasse -allee platz -markt -brücke tunnel -turm -burg -schloss palast -villa -kirche
kapelle kloster -dom kathedrale -tempel moschee synagoge museum theater kino zirkus -oper stadion rathaus bahnhof
flughafen -haus häuschen hochhaus gebäude wohnung zimmer küche -bad -saal keller balkon terrasse -dach fenster treppe
-tor -zaun mauer -wand -hof -stadt altstadt -dorf siedlung -abend -lager -feier party fete -fest -ball hochzeit taufe
geburtstag kommunion konfirmation einschulung jubiläum beerdigung verlobung trauung weihnachten silvester fasching
karneval umzug parade festival konzert -tanz aufführung ausstellung -messe flohmarkt kirmes geschenk kerze -karte
kranz -baum -schmuck krippe adventskalender feuerwerk lagerfeuer -feuer laterne luftballon ballon schneemann schnee
regenbogen regen gewitter nebel -sturm -sonne wolke himmel sonnenuntergang sonnenaufgang untergang aufgang -mond
-stern sterne -hund hündin welpe -katze kater kätzchen pferd pony -esel -kuh kälbchen -kalb schwein schaf -lamm ziege
kaninchen -hase hamster meerschweinchen vogel -ente schwan -gans huhn hühner -hahn -eule adler möwe -taube papagei
-fisch delfin -wal schildkröte schlange frosch schmetterling -biene käfer spinne elefant -löwe -tiger giraffe zebra
-affe -bär fuchs hirsch -reh -tier igel eichhörnchen -kind -kinder -enkel -enkelin baby schwester bruder -tante onkel
familie freund freundin gruppe mannschaft -klasse -chor orchester lehrer lehrerin schüler schülerin nachbar schule
kindergarten -kurs unterricht universität -büro -amt krankenhaus werkstatt fabrik -laden restaurant gasthof -hotel
hostel ferienwohnung spielplatz zeltplatz campingplatz sportplatz fussballplatz freibad schwimmbad hallenbad -zoo
tierpark -rutsche schaukel karussell riesenrad achterbahn sandkasten sandburg trampolin fahrrad -rad motorrad -roller
-auto -wagen -bus traktor -zug -bahn lokomotive strassenbahn schiff -boot -fähre segelboot yacht kanu kajak flugzeug
hubschrauber rakete bagger lastwagen kutsche schlitten -ski schlittschuhe rollschuhe skateboard snowboard -spiel
-spiele turnier -lauf marathon -rennen -training -turnen -schwimmen tennis fussball handball puzzle puppe teddy
spielzeug -buch zeitung zeitschrift -bild bilder gemälde plakat -foto fotos selfie album video -kleid -rock -hose hemd
bluse pullover jacke mantel schuhe stiefel sandalen -mütze -hut -schal handschuhe kostüm maske brille krawatte -uhr
-kette tasche koffer rucksack schirm -decke kissen handtuch -tisch -stuhl sessel -sofa -bett -schrank -regal -lampe
-spiegel teppich vorhang -ofen kamin kühlschrank computer kamera telefon handy fernseher klavier gitarre geige
trompete flöte trommel
vakantie taart feest bruiloft wandeling verjaardag
"""
_BEGINNINGS = """
alt neu gross klein hoch tief rot weiss schwarz blau grün gelb bunt frisch frei halle hallen lang kurz halb rund
schwimm spiel tanz koch back brat grill reit kletter wander fahr renn golf fuss hand volley basket feder tisch wasser
nord süd ost west sommer winter herbst frühling frühjahr oster ostern pfingst weihnacht weihnachts advent advents
silvester neujahr fasching faschings karneval karnevals halloween tauf kommunion konfirmation abi abitur jubiläum
mutter vater eltern groß oma opa kinder familien geburtstag geburts hochzeit hochzeits verlobung einschulung schul
klassen gruppen sport januar februar märz april mai juni juli august september oktober november dezember montag
dienstag mittwoch donnerstag freitag samstag sonntag morgen mittag abend nacht mitternacht tag tages wochenend jahr
jahres apfel birn birnen kirsch erdbeer himbeer heidel blau johannis stachel brom preisel pflaumen zwetschgen
zwetschen schoko vanille nuss käse kartoffel nudel fleisch gemüse obst zucker honig pfeffer lebkuchen stadt land dorf
berg tal wald feld wiesen garten park see meer fluss strand insel küsten hafen boden chiem tegern königs starnberger
baggersee bade bagger berg haus dach fenster keller garten balkon wohn schlaf bade esszimmer arbeits gäste ess puppen
baum ferien wohnung garten bauern fachwerk treib gewächs hexen vogel rat reihen boots tannen linden eichen birken obst
laub nadel christ palmen oliven nadelbaum schnee sand stein holz eis regen sonnen sonne mond stern wolken nebel
gewitter wind schäfer hirten jagd hof wach haus wild stoff zoo kuschel jung reh raub saug meer milch renn reit feuer
polizei kranken rettungs müll last liefer renn sport gelände post reise linien nacht doppeldecker segel ruder motor
schlauch paddel tret fischer haus rettungs dampf fähr kreuz fluss gummi heissluft flug luft rund fern stadt bus
schiffs zug auto motorrad fahrrad rad ski kanu kayak boots berg bahn welt dienst geschäfts gruppen studien lager
abschieds firmen betriebs vereins straßen volks musik wein bier oktober schützen lichter frühlings herbst ernte dorf
stadt scheunen italien spanien frankreich österreich schweiz griechenland kroatien türkei dänemark schweden norwegen
holland england irland schottland amerika usa kanada afrika asien australien japan ägypten marokko mallorca teneriffa
toskana bayern ostsee nordsee alpen bilder foto kamera video brief glück glückwunsch dank eintritts land ansichts
schwanger ball abend braut brautpaar trauring ehe stroh leder sonnen cowboy woll filz regen bade abend sommer latz
leder jeans riesen vorder hinter drei ein zahn armband wand taschen kirchturm kirch glocken leucht fernseh wasser
marien frauen pfarr wallfahrts hänge rhein elb donau main fussgänger eisenbahn hoch yacht watt grat vollkorn weizen
rot glüh orangen apfel tomaten hefe alkohol freizeit tier erlebnis kletter stadt national skate
"""
#: They end like a compound and are none, or the whole is something else than its last part.
_WHOLE = """
hochzeit schmetterling frühstück handschuh handschuhe seehund seehunde purzelbaum fernseher regenbogen feuerwehr
meerkatze bahnhof friedhof flughafen schildkröte meerschweinchen eichhörnchen kindergarten tiergarten baumarkt
jahrmarkt adventskalender weihnachten nordsee ostsee landkreis landkreise ladenpreis preise kreise speise speisen
nachspeise vorspeise rollerskater rollerskaters montevideo halbinsel pinsel anzug bezug verzug entzug vollzug auszug
einzug umzug vorzug abzug
"""
_ENGLISH = """
ball: baseball basketball football kickball volleyball softball handball paintball snowball
board: skateboard snowboard surfboard bodyboard kiteboard wakeboard blackboard chalkboard chessboard paddleboard
room: ballroom bathroom bedroom classroom livingroom playroom restroom showroom washroom
house: birdhouse dollhouse greenhouse lighthouse farmhouse playhouse treehouse
boat: motorboat rowboat sailboat speedboat tugboat houseboat lifeboat
suit: swimsuit wetsuit snowsuit jumpsuit tracksuit bodysuit spacesuit
cake: cheesecake cupcake fruitcake
glasses: eyeglasses sunglasses wineglasses
glass: wineglass
yard: backyard courtyard schoolyard churchyard farmyard barnyard graveyard
chair: armchair wheelchair highchair deckchair
light: candlelight headlight spotlight streetlight flashlight sunlight moonlight
brush: toothbrush paintbrush hairbrush
book: cookbook storybook scrapbook
bag: handbag schoolbag
coat: raincoat overcoat
hat: sunhat
dress: sundress
field: cornfield airfield
bike: motorbike
plane: airplane seaplane
phone: cellphone smartphone
berry: strawberry blueberry raspberry blackberry cranberry
fish: swordfish goldfish catfish
dog: bulldog sheepdog
flower: sunflower wildflower
fire: campfire bonfire
storm: snowstorm rainstorm thunderstorm
castle: sandcastle
shop: bookshop
store: bookstore
truck: firetruck
park: skatepark
track: racetrack
bridge: footbridge
tower: clocktower
friend: boyfriend girlfriend
girl: cowgirl schoolgirl
boy: schoolboy
horse: racehorse
bird: hummingbird blackbird songbird seabird
mountain: mountainside mountaintop
river: riverside riverbank
lake: lakeside lakeshore
sea: seaside seashore
beach: beachfront beachside
hill: hillside hilltop
snow: snowman snowstorm snowball snowsuit
sand: sandcastle sandbox
"""


class Part(NamedTuple):
    """One of the words that a word is made of, folded; characters `start` to `end` of the word."""

    word: str
    start: int
    end: int


def _fold_words(table: str) -> list[str]:
    return [fold(word) for word in table.split()]


#: Every form of the nouns, and whether what stands before it has to be known.
_FORMS = MappingProxyType(
    {
        word.removeprefix("-") + ending: word.startswith("-")
        for ending in reversed(_ENDINGS)
        for word in _fold_words(_NOUNS)
    }
)
_HEADS = frozenset((*_fold_words(_BEGINNINGS), *_FORMS))
_UNDIVIDED = frozenset(_fold_words(_WHOLE))


def _english() -> dict[str, tuple[tuple[str, int], ...]]:
    """By the stem of each listed compound its parts, and where they begin."""
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for kind, _, compounds in (line.partition(": ") for line in _ENGLISH.splitlines() if line):
        for compound in compounds.split():
            found[stem(compound)] = (*found.get(stem(compound), ()), (kind, compound.index(kind)))
    return found


_LISTED = _english()


@lru_cache(maxsize=16384)
def parts(word: str) -> tuple[Part, ...]:
    """The parts of a folded word, but for what is no word by itself; none where it is not taken apart."""
    if len(word) < SHORTEST_COMPOUND or has_digit(word):
        return ()
    if listed := _LISTED.get(stem(word)):
        return tuple(_listed_part(word, *one) for one in listed)
    return tuple(_german(word))


def _listed_part(word: str, kind: str, start: int) -> Part:
    """A part of a listed compound; one at its end has the endings of the word."""
    end = start + len(kind)
    end = end if end < len(word) - _LONGEST_ENDING else len(word)
    return Part(word[start:end], start, end)


@lru_cache(maxsize=16384)
def parts_in(text: str) -> tuple[Part, ...]:
    """The parts of one word as it is written, with their places in it: capitals part it, too.

    Where folding changes how long a word is ("ß"), a part's place is that of the whole word.
    """
    pieces = [Part(fold(text[start:end]), start, end) for start, end in pairwise(_borders(text))]
    found = [piece for piece in pieces if len(piece.word) >= SHORTEST_PART] if len(pieces) > 1 else []
    for piece in pieces:
        same = len(piece.word) == piece.end - piece.start
        for part in parts(piece.word):
            start, end = (piece.start + part.start, piece.start + part.end) if same else (piece.start, piece.end)
            found.append(Part(part.word, start, end))
    return tuple(found)


def _borders(text: str) -> list[int]:
    """Where words written together begin: at capitals behind small letters. The first has three letters ("iPhone")."""
    inner = range(1, 1 if text[1:].islower() else len(text) - 1)
    humps = [at for at in inner if text[at - 1].islower() and text[at].isupper() and text[at + 1].islower()]
    return [0, *(humps if humps and humps[0] >= SHORTEST_PART else ()), len(text)]


def is_noun(word: str) -> bool:
    """Whether the folded `word` is a form of one of the nouns that compounds are made of."""
    return word in _FORMS


def part_keys(word: str) -> tuple[str, ...]:
    """What a part and a folded word that is looked for have in common: "torte" and "torten" share one of these."""
    return tuple(key for key in dict.fromkeys((stem(word), german_stem(word), noun_stem(word))) if key)


def _german(word: str) -> list[Part]:
    """The longest last part for which the rest is good."""
    if word in _UNDIVIDED:
        return []
    for start in range(SHORTEST_PART, len(word) - SHORTEST_PART + 1):
        tail = word[start:]
        needs_known = _FORMS.get(tail)
        if needs_known is None:
            continue
        before = _beginnings(word[:start])
        if before is None and (needs_known or word in _FORMS or not _may_be_a_name(word[:start])):
            continue
        return [*(before or ()), Part(tail, start, len(word))]
    return []


def _beginnings(text: str) -> list[Part] | None:
    """The nouns that `text`, what stands before the last part, is made of; None where it is not known."""
    for link in _LINKS:
        base = text.removesuffix(link) if link else text
        if len(base) < 2 or (link and base == text):
            continue
        if base in _HEADS:
            own = [Part(base, 0, len(base))] if len(base) >= _SHORTEST_TOLD else []
            return [*_german(base), *own]
        if len(base) >= SHORTEST_COMPOUND and (before := _german(base)):
            return before
    return None


def _may_be_a_name(text: str) -> bool:
    is_prefix = text in _PREFIXES or text.removesuffix("s") in _PREFIXES or text.removesuffix("zu") in _PREFIXES
    return len(text) >= _SHORTEST_UNKNOWN and not is_prefix and _VOWEL.search(text) is not None
