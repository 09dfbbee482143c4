"""The type of a permission: the actions of one built-in role, on one resource, that a runbook needs."""

from dataclasses import dataclass
from typing import Literal

Resource = Literal[
    "managed resource group",
    "storage account",
    "Key Vault",
    "container registry",
    "Automation account",
    "data collection rule",
    "Application Gateway",
    "firewall policy",
    "virtual network",
    "public address",
    "managed identity",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What a runbook may do to one kind of resource.

    Attributes:
        on: The resource at which the role is assigned.
        role: The built-in role that allows all actions.
        purpose: What the runbook does with it, for the page and for the person who assigns the role.
        actions: The actions on the resource itself, as Azure names them.
        data_actions: The actions on the resource's data.
    """

    on: Resource
    role: str
    purpose: str
    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
