"""The publisher's side of a rotation: its record, its plan, and the phases that it starts in the customer's tenant."""
