"""Ordinary mistakes and hostile files of a template: each is a finding with its place, and nothing raises or hangs."""

import os
import random
import re
from pathlib import Path

import pytest

from tests.support.template import FILES, INFRA
from tests.support.template_drafts import END, KIND, PARAMETERS, TODAY, M, template, write
from vibedata.template import reader
from vibedata.template.check import MAX_PARAMETERS_BYTES, check_folder
from vibedata.template.reader import MAX_DECLARATIONS, MAX_DEPTH, MAX_FILE_BYTES

pytestmark = pytest.mark.slow  # hundreds of drafts, each changed and checked as a whole

STORAGE = "modules/storage.bicep"
TEST = "parameters/test.json"
UNFIT = "does not take this value"


def chain(first: str, form: str, count: int) -> str:
    """Return variables, each of which is made from the one before it."""
    lines = [f"var v{number} = {form.format(f'v{number - 1}')}\n" for number in range(1, count)]
    return f"var v0 = {first}\n{''.join(lines)}output v object = v{count - 1}\n"


def found(folder: Path, changes: dict[str, str]) -> list[str]:
    write(folder, {**template(), **changes})
    return [f"{each.file}:{each.line}: {each.rule}: {each.message}" for each in check_folder(folder, today=TODAY)]


def storage(old: str, new: str) -> dict[str, str]:
    text = template()[STORAGE]
    assert old in text
    return {STORAGE: text.replace(old, new, 1)}


def line_of(changes: dict[str, str], at: str, file: str = STORAGE) -> int:
    return next(number for number, line in enumerate(changes[file].split("\n"), start=1) if at in line)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{ x: 'a' < 1 }", UNFIT),
        ("{ x: !('a' < 1) }", UNFIT),
        ("{ x: -'a' }", UNFIT),
        ("{ x: split(1, ',') }", UNFIT),
        ("{ x: split('a', '') }", UNFIT),
        ("{ x: json('nope') }", UNFIT),
        ("{ x: uri('a') }", UNFIT),
        ("{ x: base64(1) }", UNFIT),
        ("{ x: union(1) }", UNFIT),
        ("{ x: contains(1, 'a') }", UNFIT),
        ("{ x: length() }", UNFIT),
        ("{ x: resourceId('a/b') }", UNFIT),
        ("{ x: replace('aa', '', 'b') }", UNFIT),
        ("{ x: string(account) == 'a', y: json(names) }", UNFIT),
        ("{ x: 9223372036854775807 * 3 }", "the number is too large"),
        ("{ x: 1 / 2 }", "the operator / is not known here"),
        ("{ x: names[9] }", "there is no 9 here"),
        ("{ x: names.length }", "there is no length here"),
    ],
)
def test_a_value_that_an_expression_does_not_take_is_a_finding_at_its_line(
    tmp_path: Path, value: str, message: str
) -> None:
    changes = storage("metadata: { secret: replace(token, 'a', 'b') }", f"metadata: {{\n    z: {value}, s: token }}")
    (said,) = found(tmp_path, changes)
    assert said.startswith(f"{STORAGE}:{line_of(changes, 'z:')}: evaluation: ") and message in said


@pytest.mark.parametrize(
    "mistake",
    [
        (END, "var a = b\nvar b = a\noutput id string = a\n", "var a", "evaluation", "a depends on itself"),
        (END, "var a = a\noutput id string = a\n", "var a", "evaluation", "a depends on itself"),
        ("  name: 'default'\n", "", "resource blobs", "evaluation", "blobs has no name"),
        ("  parent: account\n  name: 'default'", "  name: prefix", "resource blobs", "evaluation", "add its parent"),
        (KIND, f"{KIND}  x: {'[' * 400}{']' * 400}\n", "x:", "syntax", "nested too deeply"),
        (KIND, f"{KIND}  x: {'!' * 2000}a\n", "x:", "syntax", "nested too deeply"),
        (KIND, f"{KIND}  x: a{'.b' * (MAX_DEPTH + 1)}\n", "resource account", "syntax", "nested too deeply"),
        (KIND, f"{KIND}  x: 1{' + 1' * 5000}\n", "resource account", "syntax", "nested too deeply"),
        (KIND, KIND + "  x: " + "'${" * 400 + "a" + "}'" * 400 + "\n", "x:", "syntax", "nested too deeply"),
        (KIND, f"{KIND}  x: '\\u{{FFFFFFFF}}'\n", "x:", "syntax", "names no character"),
        (KIND, f"{KIND}  x: '\\u{{d800}}'\n", "x:", "syntax", "names no character"),
        (KIND, f"{KIND}  x: {'9' * 5000}\n", "x:", "syntax", "at most 19 digits"),
        ("metadata: {", "metadata: [for a in token: a]\n    more: {", "metadata:", "evaluation", "runs over no array"),
    ],
)
def test_a_mistake_is_a_finding_at_its_line(tmp_path: Path, mistake: tuple[str, str, str, str, str]) -> None:
    old, new, at, rule, message = mistake
    changes = storage(old, new)
    said = {tuple(each.split(": ")[:2]) for each in found(tmp_path, changes) if message in each}
    assert said == {(f"{STORAGE}:{line_of(changes, at)}", rule)}


def test_a_module_that_names_itself_is_a_finding(tmp_path: Path) -> None:
    itself = "module again 'storage.bicep' = {\n  name: 'again'\n  params: {\n    prefix: prefix\n"
    changes = storage(END, itself + "    location: location\n    token: token\n  }\n}\n" + END)
    line = line_of(changes, "module again")
    assert found(tmp_path, changes) == [f"{STORAGE}:{line}: evaluation: storage.bicep is a module of itself"]


@pytest.mark.parametrize(
    "text",
    [
        chain("{ x: 1 }", "{{ x: {0}, y: {0} }}", 40),
        chain("{ x: 1 }", "[{0}, {0}]", 40),
        chain("{ x: 1 }", "true ? {0} : {0}", 40),
        chain("{ x: 'aaaaaaaaaaaaaaaaaaaa' }", "{{ x: '${{{0}.x}}${{{0}.x}}' }}", 60),
        chain("{ x: 'aaaaaaaaaa' }", "{{ x: replace({0}.x, 'a', {0}.x) }}", 60),
        chain("{ x: 9 }", "{{ x: {0}.x * {0}.x }}", 60),
        chain("{ x: 9 }", "{0}", MAX_DECLARATIONS - 100),
        chain("{ x: 9 }", "[{0}]", 300),
    ],
)
def test_a_value_that_grows_with_each_line_ends(tmp_path: Path, text: str) -> None:
    changes = storage(
        END, f"{text}resource more 'A.B/c@2026-01-01' = {{\n  name: '${{prefix}}'\n  x: string(v1)\n}}\n{END}"
    )
    assert found(tmp_path, changes) != []


def test_a_chain_of_modules_that_doubles_ends(tmp_path: Path) -> None:
    one = "module {0} '{1}.bicep' = {{\n  name: '{0}'\n}}\n"
    modules = {
        f"m{number}.bicep": one.format("a", f"m{number + 1}") + one.format("b", f"m{number + 1}")
        for number in range(30)
    }
    main = one.format("a", "m0")
    write(tmp_path, {M: main, **modules, "m30.bicep": "", TEST: PARAMETERS})
    (only,) = check_folder(tmp_path, today=TODAY)
    assert (only.file, only.rule, only.message) == (M, "evaluation", "its expressions are too complex")


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ('{\n"parameters": {\n"a": 1,\n}}', 4, "Expecting"),
        ('{"parameters": {"a": {}},\n"parameters": {}}', 2, "the same key twice"),
        ("[1]", 1, "no object parameters"),
        (
            '{"parameters":\n{"prefix": {"value": "a"}, "token": {"value": "t"},\n"b": {"x": 1}}}',
            3,
            "parameter b has no",
        ),
        (PARAMETERS.replace("}}}", '},\n"b": 7}}'), 2, "parameter b has no"),
        ("[" * 100_000, 1, "nested"),
        (" " * (MAX_PARAMETERS_BYTES + 1), 1, "too many bytes"),
    ],
)
def test_a_file_of_parameters_that_cannot_be_read_is_a_finding_at_its_line(
    tmp_path: Path, content: str, line: int, message: str
) -> None:
    said = [each for each in found(tmp_path, {TEST: content}) if ": parameter-file: " in each]
    assert [each.startswith(f"{TEST}:{line}: ") and message in each for each in said] == [True]


def test_a_reference_to_a_vault_is_a_value_that_only_azure_knows(tmp_path: Path) -> None:
    vault = '{"reference": {"keyVault": {"id": "/subscriptions/a"}, "secretName": "b"}}'
    assert found(tmp_path, {TEST: PARAMETERS.replace('{"value": "t"}', vault)}) == []


def test_a_file_that_is_not_text_hides_no_other_finding(tmp_path: Path) -> None:
    changes = storage(END, f"{END}output\n")
    write(tmp_path, {**template(), **changes})
    (tmp_path / "a.bicep").write_bytes(b"param a string\nparam \xff string\n")
    os.mkfifo(tmp_path / "b.bicep")
    (tmp_path / "c.bicep").write_bytes(b"/" * (MAX_FILE_BYTES + 1))
    (tmp_path / "d.bicep").symlink_to("d.bicep")
    (tmp_path / "e.bicep").mkdir()
    (tmp_path / "f.bicep").write_text("param a string\n" * (MAX_DECLARATIONS + 1))
    said = [(each.file, each.line, each.rule) for each in check_folder(tmp_path, today=TODAY)]
    places = [("a", 2), ("b", 1), ("c", 1), ("d", 1), ("e", 1), ("f", MAX_DECLARATIONS + 1)]
    assert said == [
        *((f"{name}.bicep", line, reader.SYNTAX) for name, line in places),
        (STORAGE, changes[STORAGE].count("\n"), reader.SYNTAX),
    ]


def test_a_module_outside_of_the_folder_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "outside.bicep").write_text("var image = 'a.azurecr.io/b:1.0'\n")
    changes = storage(END, f"module out '../../outside.bicep' = {{\n  name: 'out'\n}}\n{END}")
    said = found(tmp_path / "infra", changes)
    assert "../outside.bicep:1: image-tag: an image's tag or digest is a literal: 1.0" in said


ODD = ("'", "${", "[", "]", "{", "}", "(", ")", "=", ": 1", "null", "-1", "\n", "name", "for", "'a'", "[]", "{}", ".b")


def damaged(text: str, number: random.Random) -> str:
    """Return a text of Bicep with a token or a line left out, doubled, or replaced by another."""
    tokens = re.findall(r"\w+|\s+|.", text)
    at, other = number.randrange(len(tokens)), number.choice(tokens)
    end = at + number.choice([1, 1, 1, 2, 5, 40])
    new = number.choice([[], [other], [number.choice(ODD)], tokens[at:end] * 2, [*tokens[at:end], number.choice(ODD)]])
    return "".join([*tokens[:at], *new, *tokens[end:]])


@pytest.mark.parametrize("seed", range(80))
def test_no_damaged_template_raises(tmp_path: Path, seed: int) -> None:
    number = random.Random(seed)  # noqa: S311 - for tests that can be repeated
    files = template()
    for _ in range(number.randint(1, 3)):
        name = number.choice(list(files))
        files[name] = damaged(files[name], number)
    assert isinstance(found(tmp_path, files), list)


@pytest.mark.parametrize("seed", range(8))
def test_no_damage_to_the_projects_own_template_raises(tmp_path: Path, seed: int) -> None:
    number = random.Random(seed)  # noqa: S311 - for tests that can be repeated
    parameters = sorted((INFRA / "parameters").glob("*.json"))
    files = {file.relative_to(INFRA).as_posix(): file.read_text() for file in (*FILES, *parameters)}
    name = number.choice(list(files))
    files[name] = damaged(files[name], number)
    write(tmp_path, files)
    assert isinstance(check_folder(tmp_path, today=TODAY), tuple)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"type": "A.B/c@2026-01-01", "stable_versions": [], "schema": {}}',
        b'{"type": "A.B/c@2026-01-01", "stable_versions": ["x"], "schema": {}}',
        b'{"type": "A.B/c@2026-01-01", "stable_versions": ["2026-01-01"]}',
        *(
            b'{"type": "A.B/c@2026-01-01", "stable_versions": ["2026-01-01"], "schema": {"properties": {"x": %s}}}'
            % part
            for part in (
                b"1",
                b'{"type": ["a"]}',
                b'{"pattern": "["}',
                b'{"pattern": "a{1,99999999999}"}',
                b'{"minLength": "3"}',
                b'{"required": 5}',
                b'{"properties": []}',
                b'{"variants": {}}',
                b'{"items": {"enum": 1}}',
            )
        ),
    ],
)
def test_a_definition_of_a_type_that_cannot_be_read_is_a_finding(tmp_path: Path, content: bytes) -> None:
    more = "resource more 'A.B/c@2026-01-01' = {\n  name: '${prefix}'\n  x: 'a'\n}\n"
    changes = storage(END, f"{more}{END}")
    write(tmp_path, {**template(), **changes})
    (tmp_path / "types").unlink()
    (tmp_path / "types").mkdir()
    for file in (INFRA / "types").glob("Microsoft.*.json"):
        (tmp_path / "types" / file.name).symlink_to(file)
    (tmp_path / "types" / "A.B.c.json").write_bytes(content)
    assert [(each.file, each.line, each.message) for each in check_folder(tmp_path, today=TODAY)] == [
        (STORAGE, line_of(changes, "resource more"), "there is no definition of A.B/c that can be read")
    ]
