"""The base of every group of settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than"}
"""JSON Schema's keywords for the bounds of a number, and how they read in a sentence."""


class Section(BaseModel):
    """A group of settings: unknown names are refused, values cannot change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_enum_values=False)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema with each field's bounds in its description, because Prefect's form shows only the description."""
        schema = handler(core_schema)
        for field in handler.resolve_ref_schema(schema).get("properties", {}).values():
            bounds = [f"{words} {field[key]:,.10g}" for key, words in _BOUNDS.items() if key in field]
            if bounds and "description" in field:
                field["description"] = f"{field['description'].rstrip('.')}; {', '.join(bounds)}."
        return schema


def absolute(value: str | None) -> str | None:
    """Return a path of this machine made absolute; None for an empty one."""
    return str(Path(os.path.expanduser(value)).absolute()) if value else None  # noqa: PTH111 - Path's fails without a home


LocalPath = Annotated[str | None, AfterValidator(absolute)]
"""A path of this machine, made absolute where it is given: programs run in another directory, and so does a later command."""
