"""The content of a lock's blob: written, read back, and refused if somebody else wrote it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from runbook_lib.deployment_lock.content import (
    MAX_CONTENT_BYTES,
    MAX_WHO_CHARACTERS,
    NOBODY,
    DeploymentJobs,
    LockContent,
    NotALocksContentError,
    described,
    encoded,
    jobs_left,
    read_content,
)
from tests.support.lock_content import CONTENT, FORMER, JOBS, NOW


@pytest.mark.parametrize("content", [CONTENT, replace(CONTENT, ended=True), replace(CONTENT, former_jobs=FORMER)])
def test_what_is_written_is_read_back(content: LockContent) -> None:
    assert read_content(encoded(content)) == content


def test_the_longest_content_may_be_read() -> None:
    long = DeploymentJobs(correlation_id="c" * 64, resource_group="\u0416" * 90, automation_account="a" * 50)
    content = replace(CONTENT, who="\u0416" * MAX_WHO_CHARACTERS, jobs=long, former_jobs=long, step="s" * 64)
    assert read_content(encoded(content)) == content


def test_a_blob_that_nobody_has_written_had_no_holder() -> None:
    assert read_content(NOBODY) is None


def changed(**members: Any) -> bytes:
    return json.dumps({**json.loads(encoded(CONTENT)), **members}).encode()


REFUSED = {
    "nothing": b"",
    "no JSON": b"held by me",
    "a list": b"[]",
    "no UTF-8": b"\xff\xfe",
    "a member twice": encoded(CONTENT).replace(b'"step"', b'"who": "x", "step"'),
    "another schema": changed(schema_version=2),
    "too long": encoded(CONTENT) + b" " * MAX_CONTENT_BYTES,
    "a terminal's control": changed(who="ada\x1b[2J"),
    "a change of direction": changed(who="ada\u202e"),
    "a second line": changed(who="ada\nERROR: all is lost"),
    "nobody": changed(who=""),
    "no text": changed(who=7),
    "too many characters": changed(who="x" * (MAX_WHO_CHARACTERS + 1)),
    "a step in other letters": changed(step="Import Images"),
    "a long step": changed(step="s" * 65),
    "no time": changed(since="yesterday"),
    "a time without its offset": changed(since="2026-11-29T06:30:00"),
    "a number as time": changed(step_since=0),
    "no jobs": changed(jobs=None),
    "a correlation id with a slash": changed(jobs={**json.loads(encoded(CONTENT))["jobs"], "correlation_id": "a/b"}),
    "another path": changed(jobs={**json.loads(encoded(CONTENT))["jobs"], "resource_group": "a/../b"}),
    "no account": changed(jobs={"correlation_id": "a", "resource_group": "b"}),
    "ill former jobs": changed(former_jobs={"correlation_id": "a"}),
    "neither true nor false": changed(ended="no"),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_what_no_holder_writes_is_refused_without_a_word_of_it(content: bytes) -> None:
    with pytest.raises(NotALocksContentError) as refused:
        read_content(content)
    told = str(refused.value)
    assert told.isascii()
    assert told.isprintable()
    assert "lost" not in told
    assert "by me" not in told


def test_who_ended_has_left_no_job() -> None:
    assert jobs_left(None) is None
    assert jobs_left(replace(CONTENT, ended=True)) is None


def test_who_died_may_have_left_its_jobs() -> None:
    assert jobs_left(CONTENT) == JOBS


@pytest.mark.parametrize("ended", [False, True])
def test_who_died_while_it_looked_for_former_jobs_leaves_those(ended: bool) -> None:
    assert jobs_left(replace(CONTENT, former_jobs=FORMER, ended=ended)) == FORMER


def test_a_holder_is_told_with_all_that_a_second_comer_asks() -> None:
    assert described(CONTENT, NOW) == (
        "held by ada@desk-7, process 4711, since 2026-11-29 06:17:55 UTC (12 min), at step import_images (119 s);"
        " correlation id c9a49f8a"
    )


def test_a_holder_whose_clock_is_ahead_has_held_it_for_no_time() -> None:
    assert "(0 s)" in described(replace(CONTENT, since=NOW + timedelta(hours=1)), NOW)
