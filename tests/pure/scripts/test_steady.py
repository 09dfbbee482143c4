"""In the page of a working day, everything that differs from day to day has one form.

Everything else stays unchanged.
"""

import pytest

from scripts.working_day.steady import steady


@pytest.mark.parametrize(
    ("said", "steady_form"),
    [
        ("at 2026-03-01T07:08:09.123456Z\n", "at 2026-11-30T09:00:00Z\n"),
        ("until 2027-03-01 07:08, then\n", "until 2026-11-30 09:00, then\n"),
        ("took 12.5 s of 3 min 4 s\n", "took N s of N s\n"),
        ("run 1b4e28ba-2fa1-11d2-883f-0016d3cca427 \n", "run 00000000-0000-4000-8000-000000000000\n"),
        ("sha256:" + "ab" * 32 + "\n", "sha256:0123456789ab\n"),
        ("│ sha256:" + "ab" * 15 + " │  │  │  │  │\n", "│ sha256:0123456789abcdef0123456789abcd │  │  │  │  │\n"),
        ("sha256:" + "ab" * 6 + " can be pulled\n", "sha256:0123456789ab can be pulled\n"),
        ("2 packages; built outside a clone; not signed\n", "2 packages; built from commit 0123456789ab; not signed\n"),
        ("│ 409,222 │ 39%  │\n", "│ N       │ N%   │\n"),
        (
            "a  b  c  health            e  f\na  b  c  well, 12 s ago  e  f\n",
            "a  b  c  health         e  f\na  b  c  well, N s ago  e  f\n",
        ),
        ("https://127.0.0.1:4711/x\n", "https://127.0.0.1:443/x\n"),
        ("read /srv/abc/infra:3\n", "read /home/operator/infra:3\n"),
        ("11-29 07:08  1b4e28ba  check_health\n", "11-30 09:00  00000000  check_health\n"),
        ("goes on in Azure (last seen: New).\n", "goes on in Azure (last seen: Running).\n"),
        (
            "3 of 9 components looked at\nVERBOSE: b\n1 of 2 done, 1 in flight, 0 failed\nVERBOSE: a\nend\n",
            "VERBOSE: a\nVERBOSE: b\nend\n",
        ),
        ("a\nstep: the job runs (step: 10 s; whole: 20 s of about 60 s)\nb\n", "a\nb\n"),
        ("version 2026.11.0, 3 retries, 503 Service Unavailable, VD-NET-001\n", None),
    ],
)
def test_only_what_differs_changes(said: str, steady_form: str | None) -> None:
    assert steady(said, {"/srv/abc": "/home/operator"}) == (said if steady_form is None else steady_form)
    assert steady(steady(said, {"/srv/abc": "/home/operator"}), {}) == steady(said, {"/srv/abc": "/home/operator"})
