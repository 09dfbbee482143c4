"""The states of a rotation, and the phases that lead to them.

The customer's and the publisher's side use the same words.
"""

from collections.abc import Mapping
from typing import Literal, get_args

State = Literal["none", "prepared", "pending", "tested", "promoted", "retired"]
STATES: tuple[State, ...] = get_args(State)

Phase = Literal["prepare", "stage", "test", "promote", "retire"]
# The state that each phase leads to, in the order of the phases.
REACHED: Mapping[Phase, State] = {
    "prepare": "prepared",
    "stage": "pending",
    "test": "tested",
    "promote": "promoted",
    "retire": "retired",
}

# The standing of a rotation's credential: not in use yet, in use, still accepted beside the one in use, or no longer
# accepted.
Standing = Literal["pending", "current", "previous", "retired"]
