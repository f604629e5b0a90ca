from __future__ import annotations

import pytest
from pydantic import ValidationError

from infra.forms.stacks import StartUpForm
from infra.forms.terminal import parse
from trending.errors import InvalidInput
from trending.settings import LabSettings, ServingSettings
from trending.store_url import require_store_url

SECRET = "hünter2"  # noqa: S105 - what must not be shown


@pytest.mark.parametrize(
    "url",
    [
        "sqlite",
        "postgresql+psycopg://lab@localhost/counts",
        "postgresql+psycopg://lab@127.0.0.1:5433/counts",
        "postgresql+psycopg://lab@[::1]:5433/counts",
        "postgresql+psycopg://lab@/counts?host=/var/run/postgresql",
        "postgresql+psycopg://lab@db.example.org/counts?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql+psycopg://lab@db.example.org/counts?sslmode=disable",
    ],
)
def test_an_address_that_will_do(url: str) -> None:
    assert ServingSettings(store_url=url).store_url == url
    assert ServingSettings(store_url=url).has_server is (url != "sqlite")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgresql+psycopg://lab:{SECRET}@localhost/counts", "a password in the address"),
        (f"postgresql+psycopg://lab@localhost/counts?password={SECRET}", "a password in the address"),
        (f"postgresql+psycopg://lab:{SECRET}@localhost:99999/counts", "it is sqlite, or"),
        (f"postgresql://lab:{SECRET}@localhost/counts", "a password in the address"),
        ("postgresql://lab@localhost/counts", "it is sqlite, or"),
        ("mysql://lab@localhost/counts", "it is sqlite, or"),
        ("postgresql+psycopg://localhost/counts", "it is sqlite, or"),
        ("postgresql+psycopg://lab@localhost", "it is sqlite, or"),
        ("postgresql+psycopg://lab@localhost/a/b", "it is sqlite, or"),
        ("postgresql+psycopg://lab@/counts", "it names no host"),
        ("postgresql+psycopg://lab@localhost/counts?options=-csearch_path", "and not options"),
        ("postgresql+psycopg://lab@db.example.org/counts", "reached by TLS"),
        ("postgresql+psycopg://lab@/counts?host=db.example.org", "reached by TLS"),
    ],
)
def test_an_address_that_will_not_do_is_not_quoted(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        require_store_url(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("model", [ServingSettings, LabSettings, StartUpForm])
@pytest.mark.parametrize("field", ["store_url", "store_secret"])
def test_a_password_in_the_wrong_place_is_in_no_message(model: type[LabSettings], field: str) -> None:
    given = {field: f"postgresql+psycopg://lab:{SECRET}@localhost/counts"}
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given if model is ServingSettings else {"serving": given})
    assert SECRET not in str(caught.value)


def test_a_password_in_the_address_is_refused_with_the_way_to_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDING_STORE_URL", f"postgresql+psycopg://lab:{SECRET}@localhost/counts")
    with pytest.raises(InvalidInput) as caught:
        parse(StartUpForm, [], "make up")
    assert "store_url" in str(caught.value)
    assert "STORE_SECRET=file:/path" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("secret", [SECRET, "file:relative", "env:1", "env:", "file:"])
def test_a_secret_says_where_it_is(secret: str) -> None:
    with pytest.raises(ValidationError):
        ServingSettings(store_secret=secret)
