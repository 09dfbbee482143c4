"""All rules, in the order in which they are checked."""

from types import ModuleType

from vibedata.package.rule import Rule
from vibedata.package.rules import (
    files,
    managed_application,
    parameter_file,
    resource_types,
    template_parameters,
    template_resources,
    template_secrets,
    template_values,
    template_versions,
    ui_controls,
    ui_outputs,
    ui_visibility,
)

_MODULES: tuple[ModuleType, ...] = (
    files,
    parameter_file,
    template_values,
    template_parameters,
    template_secrets,
    template_resources,
    template_versions,
    resource_types,
    managed_application,
    ui_controls,
    ui_outputs,
    ui_visibility,
)
RULES: tuple[Rule, ...] = tuple(
    value for module in _MODULES for value in vars(module).values() if isinstance(value, Rule)
)
