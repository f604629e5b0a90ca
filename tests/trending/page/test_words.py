from __future__ import annotations

import re

import pytest

from trending.page.words import WORDS, choose_language, of_length


def test_both_languages_have_the_same_words_with_the_same_blanks() -> None:
    assert WORDS["es"].keys() == WORDS["en"].keys()
    for key, text in WORDS["en"].items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", WORDS["es"][key])), key
        assert text, key


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "expected"),
    [
        ("es", "en", "en", "es"),
        ("xx", "es", "en", "es"),
        (None, "../", "es-MX,es;q=0.9,en;q=0.8", "es"),
        (None, None, "en-GB,en;q=0.9,es;q=0.8", "en"),
        (None, None, "de,es;q=0.3,en;q=0.2", "es"),
        (None, None, "en;q=0.2, es;q=0.7", "es"),
        (None, None, "es;q=0", "en"),
        (None, None, "fr", "en"),
        (None, None, "", "en"),
        (None, None, "es;q=nonsense", "en"),
        (None, None, ";;;,,q=1", "en"),
    ],
)
def test_the_language_asked_for_goes_before_the_one_kept_and_the_browsers(
    asked: str | None, kept: str | None, accepted: str, expected: str
) -> None:
    assert choose_language(asked, kept, accepted) == expected


def test_only_windows_of_a_minute_are_called_minutes() -> None:
    for language, minute in (("en", "minute"), ("es", "minuto")):
        words = WORDS[language]
        # The sliding view is named by its own length, see test_window_lengths.py.
        others = ("slide", "back_", "lately")  # minutes that are no window's
        named = [name for name, text in words.items() if minute in text.lower() and not any(each in name for each in others)]
        assert len(named) > 5
        for name in named:
            assert of_length(words, name, 60) == words[name]
            assert minute not in of_length(words, name, 10).lower(), name
        assert "10 se" in of_length(words, "trends", 10)
    assert of_length(WORDS["en"], "velocity", 10) == of_length(WORDS["en"], "velocity", 60)
