"""What health means: rules, policy, observability, summary, schedule. Asking the components lives in probes."""
