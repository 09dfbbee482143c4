"""The publisher's keys and how they are kept: records, secrets, wrapping."""
