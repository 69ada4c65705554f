"""Which words of a query name a time: "christmas 2018", "last summer", "sundays", "vor 3 jahren".

A `Reading` is one of two things. Where the words can hardly mean anything else it is *applied*: what was taken then is
found, and what has the words in its texts. Where they are often something else ("may", "sunday dress") it is *offered*:
the words are searched as words, and the page shows what they would mean as a time. "may we" and "march of penguins"
have no reading at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from types import MappingProxyType

from indexer.search import time_lexicon as lexicon
from indexer.search.time_condition import WEEKDAYS, DaySpan, time_condition
from indexer.search.time_grammar import TimeParts
from indexer.search.time_part import Kind, Part, between
from indexer.search.tokens import Token, tokenize
from indexer.text import has_digit
from indexer.text import words as folded_words

NO_BIRTHDAYS: Mapping[str, date] = MappingProxyType({})
#: English as it is written where the day stands before the month.
NO_COUNTRY = "en-150"
_ORDINAL = re.compile(r"(\d{1,3})(?:st|nd|rd|th|\.)")
_YEAR = re.compile(r"\d{4}", re.ASCII)
_MOST_WORDS = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """The time that `text[start:end]` of a query names; `value` is the text of a `TimeCondition`.

    `phrases` together say the same in a photo's texts. Where a photo has no date, `names` are enough.
    """

    start: int
    end: int
    words: str
    value: str
    applied: bool
    phrases: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimeReader:
    """Reads times for one reader: `locale` and `birthdays` are those of `read_time`."""

    locale: str = NO_COUNTRY
    birthdays: Mapping[str, date] = field(default_factory=lambda: NO_BIRTHDAYS, hash=False)

    def read(self, text: str, today: date) -> tuple[Reading, ...]:
        """As `read_time`."""
        return read_time(text, today=today, locale=self.locale, birthdays=self.birthdays)

    def value(self, text: str, today: date) -> str | None:
        """The condition that all of `text` names, whatever else its words are; None where it names none."""
        if '"' in text:
            return None
        readings, rest = self.read(text, today), text
        for one in reversed(readings):
            rest = rest[: one.start] + rest[one.end :]
        if not readings or rest.strip():
            return None
        conditions = [time_condition(one.value) for one in readings]
        counts = [sum(bool(getattr(one, name)) for one in conditions) for name in ("north", "weekdays", "hours")]
        return "+".join(one.value for one in readings) if max(counts) == 1 else None


@dataclass(frozen=True, slots=True)
class _Word:
    text: str  # in small letters
    start: int
    end: int


def read_time(
    text: str, *, today: date, locale: str = NO_COUNTRY, birthdays: Mapping[str, date] = NO_BIRTHDAYS
) -> tuple[Reading, ...]:
    """The times that the query `text` names, in its order; quoted words, filters and what is excluded name none.

    `locale` is the reader's (BCP 47): it tells the order of day and month. `birthdays` are days of birth by name.
    """
    found: list[Reading] = []
    rows = list(_rows(text))
    for row in rows:
        found += _Row(
            text, row, TimeParts([word.text for word in row], today, locale), birthdays, len(rows) == 1
        ).read()
    if not _possible_together([one.value for one in found if one.applied], today.year):
        return tuple(replace(one, applied=False) for one in found)
    return tuple(found)


def _possible_together(values: Sequence[str], this_year: int) -> bool:
    """Whether there are days that all of these conditions allow, the days of the week aside."""
    spans = [condition for value in values if (condition := time_condition(value)).north]
    if len(spans) < 2:
        return True
    years = sorted({int(year) for value in values for year in _YEAR.findall(value)} | {this_year})
    common = spans[0].days(years)
    for condition in spans[1:]:
        days = condition.days(years)
        common = tuple(
            (max(first, start), min(last, end))
            for first, last in common
            for start, end in days
            if first <= end and start <= last
        )
    return bool(common)


def _rows(text: str) -> Iterator[list[_Word]]:
    """Plain words that follow one another."""
    row: list[_Word] = []
    for token in tokenize(text):
        if token.name is None and token.phrase is None and not token.negated and len(row) < _MOST_WORDS:
            row.append(_word(token))
        elif row:
            yield row
            row = []
    if row:
        yield row


def _word(token: Token) -> _Word:
    bare = token.text.rstrip(",;!?")
    if not has_digit(bare):
        bare = bare.rstrip(".")  # behind a number it is an ordinal's
    return _Word(bare.lower().replace("\u2019", "'"), token.start, token.start + len(bare))


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of words; `is_all` where the query has no other words."""

    text: str
    row: Sequence[_Word]
    parts: TimeParts
    birthdays: Mapping[str, date]
    is_all: bool

    def read(self) -> Iterator[Reading]:
        at, after_time = 0, False
        while at < len(self.row):
            reading, end = self._at(at, after_time=after_time)
            if reading:
                yield reading
            after_time = reading is not None
            at = end if reading else at + 1

    def _at(self, at: int, *, after_time: bool) -> tuple[Reading | None, int]:
        for read in (self._birthday, self._range, self._one_of, self._day_of_week, self._open):
            if part := read(at):
                return self._reading(at, part, applied=True), part.end
        first, language = self._behind_preposition(at)
        part = self.parts.part(first)
        if part is None and first > at:
            first, language, part = at, None, self.parts.part(at)
        if part is None:
            return None, at + 1
        if part.kind is not Kind.DATE and language is not None:
            is_english = self.parts.word(first) in lexicon.ENGLISH_ONLY
            if not (is_english and language == "de"):
                return self._reading(at, part, applied=True), part.end
            return None, part.end
        applied = self._means_time(first, part, after_time=after_time)
        if applied is None:
            return None, part.end
        return self._reading(at if part.kind is Kind.DATE else first, part, applied=applied), part.end

    def _behind_preposition(self, at: int) -> tuple[int, str | None]:
        """Where a time may begin, and the language of the preposition before it: "" for both, None without one."""
        language = lexicon.PREPOSITIONS.get(self.parts.word(at))
        first = at + (language is not None)
        return first + (self.parts.word(first) in lexicon.ARTICLES | {"den"}), language

    def _means_time(self, at: int, part: Part, *, after_time: bool) -> bool | None:
        """Whether a time is meant: True, False where it may be, None where hardly."""
        before, word, behind = self.parts.word(at - 1), self.parts.word(at), self.parts.word(part.end)
        if part.kind is Kind.DATE:
            return None if self._is_other_number(part, before, behind) else True
        if part.kind is Kind.FORM:
            return True
        if before in lexicon.OTHER_BEFORE:
            return None
        alone = self.is_all and at == 0 and not behind
        goes_on = bool(behind) and behind not in lexicon.STILL_TIME and self.parts.part(part.end) is None
        match part.kind:
            case Kind.HOURS:
                early = self.is_all and at == 1 and before in lexicon.EARLY_OR_LATE and not behind
                return True if after_time or early or (alone and word != "morgen") else None
            case Kind.WEEKDAY:
                next_part = self.parts.part(part.end)
                return alone or bool(next_part and next_part.kind is Kind.HOURS)
            case _ if word in lexicon.ALSO_THINGS:
                return False if alone else None
            case Kind.MONTH if word in lexicon.ALSO_NAMES:
                return None if goes_on else alone
            case Kind.MONTH:
                return True
        if goes_on:
            return None if behind in lexicon.THINGS else False
        return True

    def _is_other_number(self, part: Part, before: str, behind: str) -> bool:
        """ "room 2019", "2000 people"."""
        is_year = bool(part.numbers) and part.fixed is not None and part.fixed[0] == part.numbers[0]
        return is_year and (before in lexicon.NO_YEAR_BEFORE or behind in lexicon.NO_YEAR_BEHIND)

    def _range(self, at: int) -> Part | None:
        """ "2015 to 2017", "between easter and june 2020", "juni bis august"."""
        opening = self.parts.word(at)
        first = self.parts.part(at + (opening in lexicon.BETWEEN | lexicon.FROM))
        if first is None:
            return self.parts.days_of_month(at + (opening in lexicon.BETWEEN | lexicon.FROM))
        joining = self.parts.word(first.end)
        if joining not in lexicon.TO | lexicon.AND:
            return None
        last = self.parts.part(first.end + 1 + (self.parts.word(first.end + 1) in lexicon.TO_THE))
        if last is None or (joining in lexicon.AND and opening not in lexicon.BETWEEN):
            return None
        return _join(first, last)

    def _one_of(self, at: int) -> Part | None:
        """ "june and july 2019", "2018 oder 2019", "saturdays and sundays"."""
        first = self.parts.part(self._behind_preposition(at)[0])
        if first is None:
            return None
        joined = self.parts.word(first.end) in lexicon.AND | lexicon.OR
        last = self.parts.part(self._behind_preposition(first.end + joined)[0])
        if last is None or not (joined or (_is_year(first) and _is_year(last))):
            return None
        return _either(first, last)

    def _day_of_week(self, at: int) -> Part | None:
        """ "thursday 12 march 2020": the date alone is enough."""
        first = self._behind_preposition(at)[0]
        day = self.parts.part(first)
        if day is None or day.kind is not Kind.WEEKDAY:
            return None
        part = self.parts.part(self._behind_preposition(day.end)[0])
        if part is None or part.kind is not Kind.DATE:
            return None
        first_day, last_day = part.fixed or part.yearly or ("", "")
        return part if first_day == last_day and len(first_day) in {5, 10} else None

    def _open(self, at: int) -> Part | None:
        """ "since 2019", "vor 2010", "after christmas 2018"."""
        word = self.parts.word(at)
        is_open = word in lexicon.SINCE | lexicon.AFTER | lexicon.BEFORE | lexicon.UNTIL
        part = self.parts.part(at + 1) if is_open else None
        if part is None or part.fixed is None:
            return None
        if word in lexicon.SINCE:
            return replace(part, value=f"{part.fixed[0]}..", kind=Kind.DATE, names=(), numbers=())
        if word in lexicon.UNTIL:
            return replace(part, value=f"..{part.fixed[1]}", kind=Kind.DATE, names=(), numbers=())
        value = f"..{_shift(part.fixed[0], -1)}" if word in lexicon.BEFORE else f"{_shift(part.fixed[1], 1)}.."
        return replace(part, value=value, kind=Kind.DATE, names=(), numbers=())

    def _birthday(self, at: int) -> Part | None:
        """ "birthday of anna", "anna's 5th birthday", "annas geburtstag 2019"."""
        for name, born in self.birthdays.items():
            own = name.lower().split()
            if own and (end := self._birthday_of(at, own)):
                return self._born(at, end, born, name)
        return None

    def _birthday_of(self, at: int, own: Sequence[str]) -> int | None:
        """Where the words end."""
        words, count = [word.text for word in self.row], len(own)
        if words[at] in lexicon.BIRTHDAY:
            first = at + 1 + (self.parts.word(at + 1) in lexicon.OF)
            return first + count if words[first : first + count] == list(own) else None
        possessives = {own[-1], f"{own[-1]}s", f"{own[-1]}'s", f"{own[-1]}'"}
        if words[at : at + count - 1] != list(own[:-1]) or self.parts.word(at + count - 1) not in possessives:
            return None
        end = at + count + (_age(self.parts.word(at + count)) is not None)
        return end + 1 if self.parts.word(end) in lexicon.BIRTHDAY else None

    def _born(self, at: int, end: int, born: date, name: str) -> Part:
        day = f"{born.month:02}-{born.day:02}"
        birthday = next(word.text for word in self.row[at:end] if word.text in lexicon.BIRTHDAY)
        part = Part(end, Kind.FEAST, yearly=(day, day), names=(birthday, name))
        age = next((age for word in self.row[at:end] if (age := _age(word.text)) is not None), None)
        if age is not None:
            return replace(part.with_year(born.year + age, end, ""), numbers=())
        year = self.parts.year(end)
        return part if year is None else part.with_year(year, end + 1, self.parts.word(end))

    def _reading(self, at: int, part: Part, *, applied: bool) -> Reading:
        start, end = self.row[at].start, self.row[part.end - 1].end
        typed = self.text[start:end]
        texts = (*part.names, *part.numbers) or (typed,)
        phrases = tuple(phrase for phrase in texts if folded_words(phrase))
        return Reading(start, end, typed, part.condition(), applied, phrases, part.names)


def _age(word: str) -> int | None:
    """In "5th"."""
    match = _ORDINAL.fullmatch(word)
    return int(match[1]) if match else lexicon.ORDINALS.get(word)


def _is_year(part: Part) -> bool:
    return part.fixed is not None and len(part.fixed[0]) == 4 and part.fixed[0] == part.fixed[1]


def _weekdays_of(part: Part) -> tuple[int, ...]:
    names = part.value.split(",")
    return tuple(WEEKDAYS.index(name) for name in names) if names[0] in WEEKDAYS and "+" not in part.value else ()


def _of_weekdays(end: int, days: Iterable[int]) -> Part:
    return Part(end, Kind.DATE, value=",".join(WEEKDAYS[day] for day in sorted(set(days))))


def _either(first: Part, last: Part) -> Part | None:
    """In the one or the other; where only the last one has a year, both are of it."""
    if (days := _weekdays_of(first)) and (others := _weekdays_of(last)):
        return _of_weekdays(last.end, (*days, *others))
    if last.fixed and not first.fixed and not last.season and (first.yearly or first.feast):
        first = first.with_year(int(last.fixed[0][:4]), first.end, "")
    spans = [part.condition() for part in (first, last)]
    if any(":" in span or "|" in span or span.split(",")[0] in WEEKDAYS for span in spans):
        return None
    return Part(last.end, Kind.DATE, value=",".join(spans))


def _join(first: Part, last: Part) -> Part | None:
    """From the one to the other; where only one has a year, both are of it."""
    if (days := _weekdays_of(first)) and (others := _weekdays_of(last)) and len(days) == len(others) == 1:
        return _of_weekdays(last.end, ((days[0] + more) % 7 for more in range((others[0] - days[0]) % 7 + 1)))
    fixed = last.fixed or first.fixed
    if fixed is None:
        if first.yearly and last.yearly and not first.season and not last.season:
            return Part(last.end, Kind.DATE, yearly=(first.yearly[0], last.yearly[1]))
        return None
    year = int(fixed[0][:4])
    start, end = first.in_year(year), last.in_year(year)
    if start is None or end is None or start[0][:4] > end[1][:4]:
        return None
    return Part(last.end, Kind.DATE, value=between(start[0], end[1]), fixed=(start[0], end[1]))


def _shift(text: str, by: int) -> str:
    """The year, month or day before or after."""
    (first, last) = next(DaySpan(text, text).days(()))
    other = first - timedelta(1) if by < 0 else last + timedelta(1)
    return other.isoformat()[: len(text)]
