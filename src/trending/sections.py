"""The base of every group of settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

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
