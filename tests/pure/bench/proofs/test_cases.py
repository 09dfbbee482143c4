"""Which cases there are and in which order, and what the page says of them."""

import json
from pathlib import Path

import pytest

from bench.proofs import page, records
from bench.proofs.cases import KILLED, RACE, RACES, STRIDE, TROUBLES, UNDISTURBED, Record, cases
from bench.proofs.end_state import differences
from bench.proofs.records import Records

REQUESTS = 200


def test_each_case_comes_once_and_a_part_is_a_sample() -> None:
    every = list(cases(REQUESTS))
    wanted = [(KILLED, number) for number in range(1, REQUESTS + 1)]
    wanted += [(proof, number) for proof in TROUBLES for number in range(1, STRIDE + 1)]
    wanted += [(RACE, number) for number in range(1, RACES + 1)]
    assert sorted(every) == sorted(wanted)
    # Each proof has its turn, and the first numbers are spread over the whole deployment.
    assert {proof for proof, _ in every[: len(TROUBLES) + 2]} == {KILLED, *TROUBLES, RACE}
    killed = sorted(number for proof, number in every if proof == KILLED)
    first = sorted([number for proof, number in every if proof == KILLED][:20])
    assert max(after - before for before, after in zip([0, *first], [*first, killed[-1]], strict=True)) < 20


def test_another_number_of_requests_leaves_the_order() -> None:
    few, many = ([n for proof, n in cases(count) if proof == KILLED] for count in (REQUESTS, REQUESTS + 30))
    assert [number for number in many if number <= REQUESTS] == few


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    made = Records(sources="0123456789abcdef")
    made.add(Record(proof=UNDISTURBED, number=0, seconds=30, requests=3, writes=1), shard="1-of-2")
    made.add(Record(proof=UNDISTURBED, number=0, seconds=30, requests=2, writes=1), shard="2-of-2")
    made.add(Record(proof=KILLED, number=2, seconds=30, met=1, where="operator"), shard="2-of-2")
    return made


def row(text: str, proof: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {proof} |"))


def test_a_part_says_that_it_is_one(kept: Records) -> None:
    text = page.page(kept)
    total = 3 + STRIDE * len(TROUBLES) + RACES
    assert f"**This is a part: 1 of {total} cases were done.**" in text
    assert "2 undisturbed deployments made 2 to 3 requests, 1 to 1 of them writes." in text
    assert row(text, "killed") == "| killed | 3 | 1 | 1 killed | 1 | 0 |"
    assert "Who was killed, and how often: operator 1." in text


def test_the_whole_says_so_and_a_case_that_is_done_again_counts_once(kept: Records) -> None:
    for proof, number in cases(3):
        kept.add(Record(proof=proof, number=number, seconds=30, met=1, where="operator"), shard="3-of-3")
    text = page.page(kept)
    assert "Every case was done." in text and "This is a part" not in text
    assert row(text, "killed") == "| killed | 3 | 3 | 3 killed | 3 | 0 |"


def test_what_was_not_as_it_must_be_is_told(kept: Records) -> None:
    ill = Record(proof="429", number=7, seconds=30, met=9, problems=["blob a|b: 1\nand not 2"])
    kept.add(ill, shard="1-of-2")
    text = page.page(kept)
    assert row(text, "429") == f"| 429 | {STRIDE} | 1 | 9 requests | 0 | 1 |"
    assert "- 429 7 : blob a/b: 1 and not 2" in text


def test_a_change_of_the_product_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "ROOT", tmp_path)
    source = tmp_path / "vibedata" / "cli.py"
    source.parent.mkdir()
    source.write_text("1")
    before = records.records_of_today()
    assert records.records_of_today() == before
    source.write_text("2")
    assert records.records_of_today() != before


def test_differences_name_the_place() -> None:
    undisturbed = {"a": 1, "b": {"c": 1, "d": {"e": 2}}, "f": 3}
    assert differences(json.loads(json.dumps(undisturbed)), undisturbed) == []
    assert differences({"a": 2, "b": {"c": 1, "d": {}}, "g": 4}, undisturbed) == [
        "a: 2 and not 1",
        "b, d, e: nothing and not 2",
        "f: nothing and not 3",
        "g: 4 and not nothing",
    ]
