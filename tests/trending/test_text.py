from __future__ import annotations

import subprocess

import pytest

from trending.text import for_make, number, printable


@pytest.mark.row(22)
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b[31m", "\\x1b[2J\\x1b[31m"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x00\x07\x7f\x9b", "\\x00\\x07\\x7f\\x9b"),
        ("\u202egnp\u2066", "\\u202egnp\\u2066"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("\ue000\U000e0041", "\\ue000\\U000e0041"),
        ("#ñandú 日本 😀 <b>&", "#ñandú 日本 😀 <b>&"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped_and_the_rest_is_not(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("value", "digits", "english", "spanish"),
    [
        (0, 0, "0", "0"),
        (1234, 0, "1,234", "1234"),
        (12345, 0, "12,345", "12.345"),
        (1.5, 2, "1.50", "1,50"),
        (1234567.8, 1, "1,234,567.8", "1.234.567,8"),
    ],
)
def test_numbers_are_written_as_the_browser_writes_them(value: float, digits: int, english: str, spanish: str) -> None:
    assert number(value, "en", digits) == english
    assert number(value, "es", digits) == spanish


@pytest.mark.parametrize("value", ["plain", "/a b/it's", "/a $b/$(c)", '"#x" \\ `id` ;&|', "$$", "ñ = ü"])
def test_what_is_printed_for_make_arrives_as_it_was(value: str) -> None:
    rule = "$(eval export TRENDING_BODIES = $$(BODIES))\nshown:\n\t@printenv TRENDING_BODIES\n"
    command = f"make --no-print-directory -f - shown BODIES={for_make(value)}"
    done = subprocess.run(["sh", "-c", command], input=rule, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{value}\n", "")
