"""The parameters of commands that bring a stack up, choose one, or take it down."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from infra.stack.declaration import DEFAULT_NAME
from trending.errors import InvalidInput
from trending.sections import Section
from trending.settings import LabSettings

NAME = r"^[a-z][a-z0-9-]{0,30}$"


class LastStep(StrEnum):
    """The last step of a start-up, in the order of the steps."""

    TOPIC = "topic"
    PRODUCER = "producer"
    STREAM = "stream"
    PAGE = "page"


class StartUpForm(LabSettings):
    """Bring up the stack in strict order, or reconcile one that is there."""

    until: LastStep = Field(LastStep.PAGE, description="Last step to take; what comes after it is left as it is.")

    @classmethod
    def of(cls, settings: LabSettings, **instead: object) -> StartUpForm:
        """Return the start-up of a stack with another form's sections; ``instead`` are fields that replace them."""
        return cls.model_validate({**{name: getattr(settings, name) for name in LabSettings.model_fields}, **instead})

    def reaches(self, step: LastStep) -> bool:
        """Whether this start-up takes the step."""
        order = list(LastStep)
        return order.index(step) <= order.index(self.until)

    @property
    def starts_job(self) -> bool:
        """Whether this start-up starts the job."""
        return self.reaches(LastStep.STREAM)

    @property
    def programs(self) -> frozenset[str]:
        """The programs that this start-up starts."""
        steps = (LastStep.PRODUCER, LastStep.STREAM, LastStep.PAGE)
        return frozenset(step.value for step in steps if self.reaches(step))


class NamedStack(Section):
    """Choose one stack that exists."""

    name: str = Field(DEFAULT_NAME, pattern=NAME, description="Name of the stack.")


class TearDownForm(NamedStack):
    """Stop everything in reverse order; the data stays unless volumes is set."""

    volumes: bool = Field(default=False, description="Delete the data too: topic, ledger, counts, checkpoint.")
    stop_only: bool = Field(default=False, description="Only stop; keep everything for a quick start.")
    confirm: str = Field("", description="The stack's name once more, without which volumes deletes nothing.")
    left_by: str = Field(
        "", description="Home of a checkout that was moved or deleted, as status lists it: its stack of that name goes."
    )

    @model_validator(mode="after")
    def _deletes_only_what_is_meant(self) -> Self:
        if self.volumes and self.stop_only:
            msg = "volumes and stop_only exclude each other"
            raise ValueError(msg)
        if self.left_by and self.stop_only:
            msg = "left_by and stop_only exclude each other: nobody could start it again"
            raise ValueError(msg)
        return self

    def require_confirmed(self) -> None:
        """Raise InvalidInput if the data is to be deleted and the confirmation is missing.

        This is not a validator, because the run would then fail before the flow starts, with Prefect's own message.
        """
        if self.volumes and self.confirm != self.name:
            cause = f"volumes deletes the data of {self.name}: confirm must be {self.name!r} and is {self.confirm!r}"
            raise InvalidInput(cause, "nothing was touched", "run it again with confirm, or without volumes")


class TearDownCommand(TearDownForm):
    """Stop everything in reverse order; the data stays unless volumes is set."""

    @model_validator(mode="before")
    @classmethod
    def _typed_is_confirmed(cls, data: Any) -> Any:  # noqa: ANN401 - whatever came in
        # Typing VOLUMES=1 is confirmation enough; a box in a browser is easily ticked by mistake.
        return {**data, "confirm": data.get("confirm") or data.get("name", DEFAULT_NAME)} if isinstance(data, dict) else data
