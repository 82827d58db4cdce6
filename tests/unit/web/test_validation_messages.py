"""What a validator says may quote the input; what we answer may not."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError, field_validator, model_validator

from shared.web.problem_responses import validation_problem


class Person(BaseModel):
    name: str
    tags: list[str] = []

    @field_validator("name")
    @classmethod
    def _short(cls, name: str) -> str:
        if len(name) > 20:
            raise ValueError("has too many characters")
        if name != "ok":
            raise ValueError(f"{name} is not known here")
        return name

    @model_validator(mode="after")
    def _no_tags(self) -> "Person":
        if self.tags:
            raise ValueError(f"tag {self.tags[0]} is taken")
        return self


def details(document: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Person.model_validate(document)
    return [error.detail for error in validation_problem(caught.value.errors()).errors]


def test_message_that_quotes_its_field() -> None:
    assert details({"name": "Zhang Wei"}) == ["is not valid"]


def test_message_that_quotes_a_part_of_the_body() -> None:
    assert details({"name": "ok", "tags": ["Zhang Wei"]}) == ["is not valid"]


def test_message_that_quotes_nothing_is_kept() -> None:
    assert details({"name": "x" * 21}) == ["has too many characters"]


def test_many_errors_are_bounded() -> None:
    with pytest.raises(ValidationError) as caught:
        Person.model_validate({"name": "ok", "tags": list(range(500))})
    assert len(validation_problem(caught.value.errors()).errors) == 50
