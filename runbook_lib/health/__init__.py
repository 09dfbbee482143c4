"""Decide about health: rules, policy, observability, summary, schedule. The folder probes asks the components."""
