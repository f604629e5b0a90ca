"""Which spellings of a hashtag are one hashtag."""

from __future__ import annotations

import unicodedata


def folded(hashtag: str) -> str:
    """Return the one form of all spellings that differ in case, in composed or combining accents, or in blanks around.

    This is the Unicode Standard's canonical caseless match (section 3.13, definition D145), given in NFC. Folding twice changes
    nothing. A hashtag of blanks has the empty form.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", hashtag).casefold()).strip()
