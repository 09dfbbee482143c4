"""The cases of the proof, their order, and the page about them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.proofs import page, sources
from bench.proofs.cases import (
    KILLED,
    RACE,
    RACES,
    TROUBLES,
    TURNS,
    UNDISTURBED,
    WHOLE,
    Record,
    case_of,
    cases_of_step,
    races,
)
from bench.proofs.chain import ACTS
from bench.proofs.end_state import differences
from bench.proofs.records import Records

STEP = "import_images"
MOMENTS = [f"blob PUT /a/{number} 1" for number in range(200)]
TODAY, EARLIER = "0123456789ab", "ba9876543210"


def test_each_moment_is_a_case_and_one_of_them_is_done_with_all_steps() -> None:
    every = list(cases_of_step(STEP, MOMENTS))
    assert len(set(every)) == len(every)
    assert [case.at for case in every if case.proof == KILLED] == MOMENTS
    (whole,) = [case for case in every if case.proof == WHOLE]
    assert whole.at in MOMENTS
    turns = {(trouble, str(turn)) for trouble in TROUBLES for turn in range(1, TURNS + 1)}
    assert {(case.proof, case.at) for case in every if case.proof not in (KILLED, WHOLE)} == turns
    assert next(iter(cases_of_step(STEP, []))).proof in TROUBLES
    assert len(list(races())) == RACES


def test_the_order_and_the_shard_depend_on_the_name_alone() -> None:
    every = sorted(cases_of_step(STEP, MOMENTS), key=lambda case: case.turn)
    few = sorted(cases_of_step(STEP, MOMENTS[:100]), key=lambda case: case.turn)
    killed = [case for case in every if case.proof == KILLED]
    assert [case for case in killed if case in few] == [case for case in few if case.proof == KILLED]
    assert killed != sorted(killed)
    assert {case.turn % 4 for case in every} == {0, 1, 2, 3}


def test_a_name_leads_back_to_its_case() -> None:
    for case in [*cases_of_step(STEP, [*MOMENTS, "table GET /a/B(PartitionKey='x / y') 2"]), *races()]:
        assert case_of(str(case)) == case
    for name in ("killed", "killed / no_step / 1", f"no proof / {STEP} / 1", f"{RACE} / {STEP} / 1", "killed /  / 1"):
        with pytest.raises(ValueError):
            case_of(name)


def record(proof: str, at: str, *, sources: str = TODAY, step: str = STEP, problems: list[str] | None = None) -> Record:
    met, where = (1, "operator") if proof == KILLED else (9, "")
    return Record(
        proof=proof, step=step, at=at, sources=sources, seconds=30, met=met, where=where, problems=problems or []
    )


def undisturbed(*moments: str, sources: str = TODAY) -> Record:
    made, writes = len(moments) + 2, len(moments)
    return Record(
        proof=UNDISTURBED,
        step=STEP,
        at="",
        sources=sources,
        seconds=30,
        made=made,
        writes=writes,
        moments=list(moments),
    )


@pytest.fixture
def kept(tmp_path: Path) -> Records:
    made = Records(folder=tmp_path, sources=TODAY)
    made.add(undisturbed("blob PUT /a 1", "blob PUT /b 1"), shard="1-of-2")
    made.add(undisturbed("blob PUT /a 1", "blob PUT /b 1", "blob PUT /b 2"), shard="2-of-2")
    made.add(record(KILLED, "blob PUT /a 1"), shard="2-of-2")
    return made


def row(text: str, proof: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {STEP} | {proof} |"))


def test_a_part_says_that_it_is_one(kept: Records) -> None:
    text = page.page(kept)
    others = ", ".join(step for step in ACTS if step != STEP)
    assert f"**This is a part: 1 cases were done. Their number is not known yet for: {others}.**" in text
    assert "1 undisturbed steps made 5 requests, 3 of them writes." in text
    # A moment that only one of two runs had does not count.
    assert row(text, KILLED) == f"| {STEP} | killed | 2 | 1 | 1 killed | 1 | 0 | 0 |"
    assert "Who was killed, and how often: operator 1." in text


def test_the_whole_says_so_and_a_case_that_is_done_again_counts_once(kept: Records) -> None:
    every = [*cases_of_step(STEP, ["blob PUT /a 1", "blob PUT /b 1"])]
    for step in ACTS:
        if step != STEP:
            kept.add(Record(proof=UNDISTURBED, step=step, at="", sources=TODAY, seconds=1), shard="3-of-3")
            every += cases_of_step(step, [])
    every += races()
    for case in every[:-1]:
        kept.add(record(case.proof, case.at, step=case.step), shard="3-of-3")
    assert f"**This is a part: {len(every) - 1} of {len(every)} cases were done.**" in page.page(kept)
    kept.add(record(RACE, every[-1].at, step=""), shard="3-of-3")
    text = page.page(kept)
    assert "Every case was done." in text and "This is a part" not in text
    assert row(text, KILLED) == f"| {STEP} | killed | 2 | 2 | 2 killed | 2 | 0 | 0 |"
    assert "|  | race | 10 | 10 | 90 races of 1,000 | 10 | 0 | 0 |" in text


def test_what_was_not_as_it_must_be_is_told(kept: Records) -> None:
    kept.add(record("429", "2", problems=["blob a|b: 1\nand not 2"]), shard="1-of-2")
    text = page.page(kept)
    proofs = ", ".join(TROUBLES)
    assert row(text, proofs) == f"| {STEP} | {proofs} | {TURNS * len(TROUBLES)} | 1 | 9 requests | 0 | 1 | 0 |"
    assert f"- `429 / {STEP} / 2`, : blob a/b: 1 and not 2" in text


def test_the_newest_result_of_a_case_counts_whichever_shard_did_it(kept: Records) -> None:
    ill = replace(record("429", "2", problems=["open"]), ended="2026-05-01T10:00:00.000+00:00")
    kept.add(ill, shard="5-of-7")
    kept.add(replace(ill, ended="2026-05-01T11:00:00.000+00:00", problems=[]), shard="1-of-1")
    kept.add(replace(ill, ended="2026-05-01T11:00:00.000+00:00", at="3", problems=[]), shard="1-of-1")
    kept.add(replace(ill, ended="2026-05-01T11:30:00.000+00:00", at="3"), shard="1-of-1")
    found = {each.at: each.problems for each in kept.today() if each.proof == "429"}
    assert found == {"2": [], "3": ["open"]}


def test_what_was_done_with_earlier_sources_is_told_apart(kept: Records) -> None:
    kept.add(record(KILLED, "blob PUT /a 1", sources=EARLIER, problems=["mended"]), shard="1-of-2")
    kept.add(record(KILLED, "blob PUT /b 1", sources=EARLIER, problems=["open"]), shard="1-of-2")
    assert [each.at for each in kept.earlier()] == ["blob PUT /b 1"]
    text = page.page(kept)
    assert f"Sources `{TODAY}`." in text
    assert row(text, KILLED) == f"| {STEP} | killed | 2 | 1 | 1 killed | 1 | 0 | 1 |"
    assert "open" in text.partition("on earlier sources\n")[2] and "mended" not in text


def test_the_digest_is_that_of_what_the_files_import(tmp_path: Path) -> None:
    for name, text in (("a", "from vibedata import b"), ("b", "import vibedata.c"), ("c", ""), ("other", "")):
        (tmp_path / "vibedata").mkdir(exist_ok=True)
        (tmp_path / "vibedata" / f"{name}.py").write_text(text)
    before = sources.digest(tmp_path, ["vibedata/a.py"])
    (tmp_path / "vibedata" / "other.py").write_text("1")
    assert sources.digest(tmp_path, ["vibedata/a.py"]) == before
    (tmp_path / "vibedata" / "c.py").write_text("1")
    assert sources.digest(tmp_path, ["vibedata/a.py"]) != before


def test_differences_name_the_place() -> None:
    undisturbed = {"a": 1, "b": {"c": 1, "d": {"e": 2}}, "f": 3}
    assert differences(json.loads(json.dumps(undisturbed)), undisturbed) == []
    assert differences({"a": 2, "b": {"c": 1, "d": {}}, "g": 4}, undisturbed) == [
        "a: 2 and not 1",
        "b, d, e: nothing and not 2",
        "f: nothing and not 3",
        "g: 4 and not nothing",
    ]
