"""Where a secret is: a variable, a file of its user's own, a Prefect block."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from infra.host.secret_references import read_secret
from trending.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path


def block(name: str) -> SecretStr:
    return SecretStr(f"of {name}")


def told(reference: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        read_secret("KAFKA_SECRET", reference, block)
    return caught.value


def test_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD_HERE", "canary-7")
    secret = read_secret("KAFKA_SECRET", "env:PASSWORD_HERE", block)
    assert secret is not None
    assert secret.get_secret_value() == "canary-7"
    monkeypatch.setenv("PASSWORD_HERE", "")
    assert "KAFKA_SECRET names the variable PASSWORD_HERE, and it is not set here" in told("env:PASSWORD_HERE").cause


def test_of_a_file_that_only_its_user_may_read(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("canary 7 \n", encoding="utf-8")
    path.chmod(0o600)
    secret = read_secret("KAFKA_SECRET", f"file:{path}", block)
    assert secret is not None
    assert secret.get_secret_value() == "canary 7 "
    for mode in (0o640, 0o604, 0o644, 0o660):
        path.chmod(mode)
        error = told(f"file:{path}")
        assert "others may read the file of KAFKA_SECRET" in error.cause
        assert error.next_command == f"chmod 600 {path}"
        assert "canary" not in str(error)


def test_of_a_file_that_is_none(tmp_path: Path) -> None:
    assert "cannot be read" in told(f"file:{tmp_path / 'missing'}").cause
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    os.chmod(binary, 0o600)  # noqa: PTH101 - the module that is tested asks for the same bits
    assert told(f"file:{binary}").evidence == "it is no UTF-8"


def test_of_a_block_and_of_none() -> None:
    secret = read_secret("KAFKA_SECRET", "block:kafka", block)
    assert secret is not None
    assert secret.get_secret_value() == "of kafka"
    assert read_secret("KAFKA_SECRET", "", block) is None
