"""From what people type to an FTS5 expression that cannot be a syntax error."""

import re
from dataclasses import dataclass

# Weights of bm25 for title, tags, author, description, names: a picture named "barrel" is more of a barrel than one
# whose description mentions barrels.
WEIGHTS = (8.0, 5.0, 4.0, 1.0, 3.0)

# Besides blanks, what people put between words; a hyphen or dot joins them into one name.
_TERM = re.compile(r'(-?)"([^"]*)"|([^\s,;|/+]+)')
_WORDLIKE = re.compile(r"\w", re.UNICODE)
MAX_TERMS = 32


def _terms(text: str) -> tuple[list[str], list[str]]:
    wanted: list[str] = []
    unwanted: list[str] = []
    for minus, phrase, word in _TERM.findall(text):
        negative = bool(minus) or (word.startswith("-") and len(word) > 1)
        term = phrase or (word[1:] if negative and word else word)
        if _WORDLIKE.search(term):
            (unwanted if negative else wanted).append(term)
    return wanted[:MAX_TERMS], unwanted[:MAX_TERMS]


def _quoted(term: str, *, prefix: bool) -> str:
    # Inside double quotes FTS5 knows no operator; NUL would end the statement's text early.
    quoted = '"' + term.replace("\0", " ").replace('"', '""') + '"'
    return quoted + "*" if prefix else quoted


@dataclass(frozen=True)
class Expression:
    """One way to read a text.

    Attributes:
        all: hits the words anywhere.
        prominent: hits them in title and tags only; for words that half of all pictures have somewhere.
        note: the sentence to show where this reading is the one that hit.
    """

    all: str
    prominent: str
    note: str = ""


def expressions(text: str) -> list[Expression]:
    """Return readings of a text as FTS5 expressions, the strictest first.

    All words, then all as beginnings of words, then any of them. An empty list: the text holds no word.
    """
    wanted, unwanted = _terms(text)
    if not wanted:
        return []
    exclude = "".join(f" NOT {_quoted(term, prefix=False)}" for term in unwanted)

    def reading(operator: str, note: str = "", *, prefix: bool) -> Expression:
        words = "(" + operator.join(_quoted(term, prefix=prefix) for term in wanted) + ")"
        return Expression(words + exclude, f"({{title tags}} : {words}){exclude}", note)

    found = [reading(" AND ", prefix=False), reading(" AND ", prefix=True)]
    if len(wanted) > 1:
        found.append(reading(" OR ", "No picture has all of these words; these have some of them.", prefix=True))
    return found


def unwanted_words(text: str) -> tuple[str, ...]:
    """What a text excludes: words and phrases, each without its minus."""
    return tuple(_terms(text)[1])


def positive_words(text: str) -> str:
    """The text without what it excludes, as the index's own text filter wants it."""
    return " ".join(_terms(text)[0])
