"""The publisher's side of a credential's rotation: record, plan, and the phases that it starts at the customer's."""
