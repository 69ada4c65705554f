"""Words that name a time, in English and German, as `time_grammar` reads them; all in small letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType


def _table(text: str) -> Mapping[str, str]:
    """Lines of ``value: name, name``, by name."""

    def entries() -> Iterator[tuple[str, str]]:
        for line in text.strip().splitlines():
            value, _, names = line.partition(": ")
            yield from ((name.strip(), value.strip()) for name in names.split(","))

    return MappingProxyType(dict(entries()))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MONTHS = _table("""
    01: january, januar, jänner
    02: february, februar, feber
    03: march, märz, maerz
    04: april
    05: may, mai
    06: june, juni
    07: july, juli
    08: august
    09: september
    10: october, oktober
    11: november
    12: december, dezember
""")
#: Beside a day or a year only: "dec", "mar" and "sept" are also other things.
SHORT_MONTHS = _table("""
    01: jan
    02: feb
    03: mar, mär
    04: apr
    06: jun
    07: jul
    08: aug
    09: sep, sept
    10: oct, okt
    11: nov
    12: dec, dez
""")
WEEKDAY_NAMES = _table("""
    mon: monday, montag
    tue: tuesday, dienstag
    wed: wednesday, mittwoch
    thu: thursday, donnerstag
    fri: friday, freitag
    sat: saturday, samstag, sonnabend
    sun: sunday, sonntag
    sat,sun: weekend, wochenende
""")
#: Forms that mean the time and nothing else.
WEEKDAY_FORMS = _table("""
    mon: mondays, montags, montage, montagen
    tue: tuesdays, dienstags, dienstage, dienstagen
    wed: wednesdays, mittwochs, mittwoche, mittwochen
    thu: thursdays, donnerstags, donnerstage, donnerstagen
    fri: fridays, freitags, freitage, freitagen
    sat: saturdays, samstags, samstage, samstagen, sonnabends
    sun: sundays, sonntags, sonntage, sonntagen
    sat,sun: weekends, wochenenden
    mon,tue,wed,thu,fri: weekdays, werktags, wochentags
""")
PARTS_OF_DAY = _table("""
    05:00..12:00: morning, mornings
    12:00..18:00: afternoon, afternoons
    17:00..22:00: evening, evenings, abend
    21:00..05:00: night, nights, nacht
    11:00..14:00: noon, midday, mittag
    23:00..01:00: midnight, mitternacht
    05:00..11:00: morgen
    08:00..12:00: vormittag
    13:00..18:00: nachmittag
""")
PART_OF_DAY_FORMS = _table("""
    05:00..11:00: morgens, frühmorgens
    08:00..12:00: vormittags
    11:00..14:00: mittags
    13:00..18:00: nachmittags
    17:00..22:00: abends
    21:00..05:00: nachts
""")
SEASONS = _table("""
    spring: spring, frühling, frühjahr, fruehling
    summer: summer, summers, sommer
    autumn: autumn, fall, herbst
    winter: winter, winters
""")
#: Months of each season north of the equator, and of the season half a year later.
SEASON_MONTHS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"spring": ("03", "05"), "summer": ("06", "08"), "autumn": ("09", "11"), "winter": ("12", "02")}
)
OPPOSITE: Mapping[str, str] = MappingProxyType(
    {"spring": "autumn", "summer": "winter", "autumn": "spring", "winter": "summer"}
)
#: Days of every year, or names of `feasts`.
FEAST_NAMES = _table("""
    12-24..12-26: christmas, xmas, x-mas, weihnachten, weihnacht
    12-24: christmas eve, heiligabend, heilig abend, heiliger abend, heiligen abend
    12-25: christmas day, erster weihnachtstag, 1. weihnachtstag
    12-25..12-26: weihnachtsfeiertage, weihnachtstage
    12-26: boxing day
    12-31: new year's eve, new years eve, nye, silvester, sylvester
    01-01: new year's day, new years day, neujahr, neujahrstag
    newyear: new year, new year's, jahreswechsel
    01-06: epiphany, dreikönigstag, heilige drei könige, dreikönig
    02-14: valentine's day, valentines day, valentines, valentinstag
    03-17: st patrick's day, saint patrick's day
    07-04: independence day
    05-01: may day, labour day, tag der arbeit
    10-03: tag der deutschen einheit
    10-31: halloween
    11-05: bonfire night, guy fawkes night
    11-11: st martin's day, martinstag, sankt martin, st martin
    11-01: allerheiligen
    10-31: reformationstag
    08-15: mariä himmelfahrt
    12-06: st nicholas day, nikolaus, nikolaustag
    easter: easter, easter weekend, ostern, ostertage, osterwochenende
    palmsunday: palm sunday, palmsonntag
    maundythursday: maundy thursday, gründonnerstag
    goodfriday: good friday, karfreitag
    eastersunday: easter sunday, easter day, ostersonntag
    eastermonday: easter monday, ostermontag
    ascension: ascension, ascension day, christi himmelfahrt, himmelfahrt, vatertag
    pentecost: pentecost, whitsun, pfingsten
    corpuschristi: corpus christi, fronleichnam
    carnival: mardi gras, karneval, fasching, fastnacht
    shrovemonday: rosenmontag
    shrovetuesday: shrove tuesday, pancake day, faschingsdienstag, veilchendienstag
    weiberfastnacht: weiberfastnacht
    ashwednesday: ash wednesday, aschermittwoch
    advent: advent, adventszeit
    thanksgiving: thanksgiving, thanksgiving day
    mothersday: mother's day, mothers day, muttertag
    motheringsunday: mothering sunday
    fathersday: father's day, fathers day
    laborday: labor day
""")
MOST_FEAST_WORDS = 4
#: Where Mother's Day is Mothering Sunday.
MOTHERING_SUNDAY = frozenset({"en-GB", "en-IE"})
#: Month before day in numbers (CLDR 46, short dates).
MONTH_FIRST = _words("en en-US en-AS en-GU en-MP en-PH en-PR en-UM en-VI es-PA es-PR es-US fil fil-PH haw haw-US")

UNITS = _table("""
    day: day, days, tag, tage, tagen
    week: week, weeks, woche, wochen
    month: month, months, monat, monate, monaten
    year: year, years, jahr, jahre, jahren
""")
_NUMBERS = """
one two three four five six seven eight nine ten
ein zwei drei vier fünf sechs sieben acht neun zehn
"""
NUMBERS: Mapping[str, int] = MappingProxyType(
    {word: number for line in _NUMBERS.strip().splitlines() for number, word in enumerate(line.split(), 1)}
    | {"a": 1, "an": 1, "eine": 1, "einem": 1, "einer": 1}
)
LAST = _words("""
    last past previous letzte letzten letzter letztes letztem vergangene vergangenen vergangener vergangenes vorige
    vorigen voriger voriges
""")
THIS = _words("this diese diesen dieser dieses diesem")
DAYS_AGO: Mapping[str, int] = MappingProxyType({"today": 0, "heute": 0, "yesterday": 1, "gestern": 1, "vorgestern": 2})
_GERMAN_DECADES = "zwanziger dreißiger vierziger fünfziger sechziger siebziger achtziger neunziger"
DECADES: Mapping[str, int] = MappingProxyType(
    {
        "twenties": 1920,
        "thirties": 1930,
        "forties": 1940,
        "fifties": 1950,
        "sixties": 1960,
        "seventies": 1970,
        "eighties": 1980,
        "nineties": 1990,
    }
    | {f"{name}{case}": 1920 + 10 * number for case in ("", "n") for number, name in enumerate(_GERMAN_DECADES.split())}
)
#: Thirds of a month or a year.
THIRDS: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("early", "anfang", "beginning", "start", "frühe", "frühen"), 0),
        **dict.fromkeys(("mid", "middle", "mitte"), 1),
        **dict.fromkeys(("late", "end", "ende", "späte", "späten"), 2),
    }
)
ORDINALS: Mapping[str, int] = MappingProxyType(
    {
        word: number
        for line in (
            "first second third fourth fifth sixth seventh eighth ninth tenth",
            "ersten zweiten dritten vierten fünften sechsten siebten achten neunten zehnten",
            "erster zweiter dritter vierter fünfter sechster siebter achter neunter zehnter",
        )
        for number, word in enumerate(line.split(), 1)
    }
)

#: Before a time, by language: with them its name means the time. "the" and its like may follow.
PREPOSITIONS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(_words("at around by during every each on over"), "en")
    | dict.fromkeys(_words("im am an gegen um über zu zum zur jeden jede jedes"), "de")
    | {"in": "", "ca": "", "circa": ""}
)
ARTICLES = _words("the der den dem")
#: Behind "to" and before a day.
TO_THE = _words("the zum zur den dem")
BETWEEN = frozenset({"between", "zwischen"})
FROM = frozenset({"from", "von", "vom"})
TO = _words("to till until through bis - \u2013 \u2014")
AND = frozenset({"and", "und"})
OR = frozenset({"or", "oder", "&", "+"})
SINCE = frozenset({"since", "seit", "ab"})
AFTER = frozenset({"after", "nach"})
BEFORE = frozenset({"before", "vor"})
UNTIL = frozenset({"until", "till", "bis"})

#: Months and seasons that are also something else: a verb, water, a name. English words, but for "mai".
ALSO_THINGS = _words("may march mai spring fall")
ALSO_NAMES = _words("april june august")
ENGLISH_ONLY = _words("may march spring fall autumn summer")

#: Words behind which, or before which, a word of time is something else.
OTHER_BEFORE = _words("""
    next coming nächste nächsten nächster nächstes kommende kommenden vorletzten white black
    merry happy father good indian donna herr frau
    mr mrs ms aunt uncle tante onkel miss frohe fröhliche frohes frohen schöne schönes guten gute
    silent holy starry stille heilige
""")
NO_YEAR_BEFORE = _words("""
    room no nr number nummer zimmer route highway windows office iso page seite bus flight model size img dsc dscn dscf
    mvi vid pxl dji canon nikon sony bmw runner hausnummer
""")
NO_YEAR_BEHIND = _words("""
    people persons personen leute menschen men women children kinder km m mm cm miles meter meters metres euro euros
    dollars steps stufen pieces teile stück px pixel watt rpm hours stunden days tage years jahre times mal balloons
    kg g lbs pounds ml liter liters a
""")
#: What they name together with a season or a feast is a thing.
THINGS = _words("""
    tree trees card cards market markets cookie cookies ball balls bauble baubles present presents gift gifts stocking
    stockings carol carols cake star wreath decoration decorations lights ornament ornaments jumper sweater pudding
    egg eggs bunny basket lamb costume costumes pumpkin pumpkins parade turkey hat hats coat coats jacket jackets boot
    boots shoe shoes dress dresses clothes glove gloves tire tires tyre tyres camp house school garden sports games
    olympics wonderland solstice squash scarf suit outfit party dinner lunch roast hunt island song songs movie film
    bell bells candle candles leaves leaf landscape scene flower flowers rose storm wind rain snow sky sun light sale
    love baum mantel jacke kleid reifen garten sport markt ei hase
""")
#: What they name together is still the time.
STILL_TIME = _words("""
    holiday holidays vacation vacations break time season ferien urlaub days months
    with at in on and or by from for the near mit bei in im am an und oder auf zu
    von der die das
""")
BIRTHDAY = _words("birthday birthdays bday geburtstag geburtstage")
OF = frozenset({"of", "von"})
YEAR_WORDS = _words("year jahr jahre anno")
#: What of a part of the day is still that part.
EARLY_OR_LATE = _words("early late früh spät")

#: The words that a time can begin with, beside numbers and German days with their hours in one ("samstagabend").
FIRST_WORDS = frozenset(
    name.split()[0]
    for names in (
        *(MONTHS, SHORT_MONTHS, WEEKDAY_NAMES, WEEKDAY_FORMS, PARTS_OF_DAY, PART_OF_DAY_FORMS, SEASONS, FEAST_NAMES),
        *(ORDINALS, NUMBERS, LAST, THIS, DAYS_AGO, DECADES, THIRDS, YEAR_WORDS, BEFORE, ("the",)),
    )
    for name in names
)
GERMAN_WEEKDAYS = tuple(name for name in WEEKDAY_NAMES if name.endswith(("tag", "woch", "abend")))
