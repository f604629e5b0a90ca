"""The commands that the run of a flow names are of its stack: in Prefect no command line adds the name."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import NoReturn

import pytest
from fakes.plain import MODULES
from prefect import Flow
from prefect.exceptions import ParameterTypeError

from flows.runs.named_commands import names_its_stack
from infra.forms.next_commands import with_name, with_stack
from trending.errors import LabError, NotReady

pytestmark = pytest.mark.usefixtures("world")


class Form(SimpleNamespace):
    """A form of the stack lab2; whatever else a flow reads of it fails with an error that names commands."""

    def __getattr__(self, field: str) -> NoReturn:
        if field == "stack":
            raise AttributeError(field)
        raise NotReady("make up brings it up", "make status NAME=other; make serve", f"make down FIELD={field}")


@pytest.mark.parametrize("module", sorted({*MODULES} - {"health_check"}))  # that one is in a file of its own
def test_the_error_of_each_flow_names_its_stack(module: str) -> None:
    (flow,) = [
        value
        for value in vars(importlib.import_module(f"flows.{module}")).values()
        if isinstance(value, Flow) and value.name == module.replace("_", "-")
    ]
    form = Form(name="lab2", stack=Form(name="lab2")) if "stack" in str(flow.flow_run_name) else Form(name="lab2")
    with pytest.raises(LabError) as caught:
        flow.fn(form)
    error = str(caught.value)
    assert "NAME=lab2" in error
    assert error == with_name(error, "lab2"), "no command is left without a name"
    assert caught.value.args == (caught.value.cause, caught.value.evidence, caught.value.next_command), "it survives pickling"
    assert with_stack("make down") == "make down", "what comes after the flow is of no stack"


def test_flows_keep_their_form_for_prefect() -> None:
    for module in MODULES:
        flows = [value for value in vars(importlib.import_module(f"flows.{module}")).values() if isinstance(value, Flow)]
        for flow in flows:
            assert list(flow.parameters.properties) == ["settings"], flow.name
            assert flow.description, flow.name
            with pytest.raises(ParameterTypeError):
                flow.validate_parameters({"settings": {"name": "Not A Name", "stack": {"name": "Not A Name"}}})


def test_within_another_flow_the_inner_ones_stack_is_named() -> None:
    form = SimpleNamespace(name="inner")
    said = []

    @names_its_stack
    def inner(_settings: object) -> None:
        said.append(with_stack("make down"))

    @names_its_stack
    def outer(_settings: object) -> None:
        inner(form)
        said.append(with_stack("make down"))

    outer(SimpleNamespace(stack=SimpleNamespace(name="outer")))
    assert said == ["make down NAME=inner", "make down NAME=outer"]
