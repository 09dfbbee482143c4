"""How far a rotation is, and the phases that take it there: the words of the customer's and the publisher's side."""

from collections.abc import Mapping
from typing import Literal, get_args

State = Literal["none", "prepared", "pending", "tested", "promoted", "retired"]
STATES: tuple[State, ...] = get_args(State)

Phase = Literal["prepare", "stage", "test", "promote", "retire"]
# What each phase comes to, in the order in which they follow each other.
REACHED: Mapping[Phase, State] = {
    "prepare": "prepared",
    "stage": "pending",
    "test": "tested",
    "promote": "promoted",
    "retire": "retired",
}

# Where a credential of a rotation stands: not in use yet, in use, still accepted beside the one in use, no more.
Standing = Literal["pending", "current", "previous", "retired"]
