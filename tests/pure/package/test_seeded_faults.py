"""Each rule finds its seeded fault, with file and line. A package without faults keeps all rules."""

from pathlib import Path

import pytest

from tests.support.package_drafts import Draft
from tests.support.package_faults import TEMPLATE_SEEDS, Seed
from tests.support.package_file_faults import FILE_SEEDS
from vibedata.package.rules.catalogue import RULES

SEEDS = (*TEMPLATE_SEEDS, *FILE_SEEDS)


def test_a_package_without_faults_keeps_every_rule(tmp_path: Path) -> None:
    made = Draft().make(tmp_path)
    assert made.findings == ()
    assert made.checked == RULES
    assert made.unchecked == ()


def test_each_rule_has_a_seeded_fault_a_source_and_a_remedy() -> None:
    assert {each.rule for each in SEEDS} == {rule.name for rule in RULES}
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert [rule.name for rule in RULES if not rule.source or not rule.remedy.endswith((".", "#"))] == []


@pytest.mark.parametrize("seed", SEEDS, ids=[each.rule for each in SEEDS])
def test_a_seeded_fault_is_found_with_its_file_and_line(seed: Seed, tmp_path: Path) -> None:
    draft = Draft()
    seed.edit(draft)
    found = [each for each in draft.make(tmp_path).findings if each.rule == seed.rule]
    assert found != []
    for each in found:
        assert each.message
        assert each.remedy
        if seed.marker:
            assert each.line is not None
            assert seed.marker in Path(each.file).read_text(encoding="utf-8").splitlines()[each.line - 1]
        else:
            assert each.line is None
