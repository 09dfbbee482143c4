"""The text of a small runbook for validate_runbooks to try."""

# It reports the parameters that it got, and that all is well.
GOOD = """\
import base64, json, one, os, sys
given = json.loads(base64.urlsafe_b64decode(sys.argv[1] + "=" * (-len(sys.argv[1]) % 4)))
print(json.dumps({"runbook": os.path.basename(sys.argv[0])[:-40], "version": "dev", "status": "planned",
    "correlation_id": given["correlation_id"], "run_id": "r", "changed": 0, "unchanged": 0, "changes": [],
    "error": None, "duration_ms": 1, "given": given}))
"""
