"""Where a store in PostgreSQL is: a plain value, which specifications hold. Its password is never a part of what is written."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, Field, SecretStr

PASSWORD_VARIABLE = "STORE_PASSWORD"  # noqa: S105 - the name of the variable
"""Where a program finds the password. No ``TRENDING_`` before it: that would make it a setting."""


OF_CLUSTER = ", cluster "
"""What stands in an owner's name before the cluster's id."""


class PostgresPlace(BaseModel):
    """A database, and the schema of one stack in it.

    ``owner`` is the stack's id, and the cluster's where that is known already, so that two stacks of one name never count into
    one schema. Where no password is given it is the environment's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: str
    stack: str
    owner: str
    given: SecretStr | None = Field(default=None, exclude=True, repr=False)

    @property
    def password(self) -> str:
        """The password, empty for none."""
        return self.given.get_secret_value() if self.given else os.environ.get(PASSWORD_VARIABLE, "")

    @property
    def schema_name(self) -> str:
        """The stack's schema. A stack's name has no underscore, so two names never lead to one schema."""
        return f"trending_{self.stack.replace('-', '_')}"

    def __str__(self) -> str:
        return f"{self.url}, schema {self.schema_name}"


class PostgresLedger(BaseModel):
    """The ledger of one producer among several: its runs have its name, in tables that all of a stack's producers share."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    place: PostgresPlace
    producer: str

    def __str__(self) -> str:
        return f"{self.place}, producer {self.producer}"
