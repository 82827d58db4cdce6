"""Items that a route validates one by one, so that a bad one harms no other, and that its document still describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue


class ShownAs:
    """Shows a field in the OpenAPI document as `shape`, though the route validates each item by itself."""

    def __init__(self, shape: type[BaseModel] | TypeAdapter[Any]) -> None:
        self._schema = shape.core_schema if isinstance(shape, TypeAdapter) else shape.__pydantic_core_schema__

    def __get_pydantic_json_schema__(
        self, _schema: object, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:  # the name is pydantic's
        show: Callable[[Any], JsonSchemaValue] = handler
        return show(self._schema)
