"""The publisher's keys: their records, their secrets, and the wrapping for a customer."""
