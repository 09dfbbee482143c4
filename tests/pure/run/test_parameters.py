import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.errors import RunbookError
from runbook_lib.run.parameters import (
    MAX_ARGUMENT_BYTES,
    MAX_TEXT_CHARACTERS,
    CommonParameters,
    HelpWanted,
    encode,
    help_text,
    parse,
    settings_in,
)


@dataclass(frozen=True, kw_only=True)
class Parameters(CommonParameters):
    release_tag: str = field(default="latest", metadata={"help": "the release to install"})
    allow_downgrade: bool = field(default=False, metadata={"help": "let an older release in"})
    attempts: int = field(default=3, metadata={"help": "how often"})


def raw(text: str | bytes) -> str:
    content = text if isinstance(text, bytes) else text.encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def refused(argv: list[str]) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        parse(Parameters, argv)
    assert caught.value.exit_code == 2
    return caught.value


lines = st.text(max_size=40).filter(str.isprintable)


@given(
    release_tag=lines,
    allow_downgrade=st.booleans(),
    attempts=st.integers(-(2**53) + 1, 2**53 - 1),
    plan_only=st.booleans(),
    settings=st.dictionaries(lines, lines, max_size=4),
)
def test_the_one_argument_brings_back_what_was_encoded(**given_: Any) -> None:
    parameters = parse(Parameters, [encode(given_)])
    assert {name: getattr(parameters, name) for name in given_} == given_


@given(release_tag=lines, allow_downgrade=st.booleans(), attempts=st.integers(-999, 999))
def test_flags_say_the_same(release_tag: str, allow_downgrade: bool, attempts: int) -> None:
    argv = [
        f"--release-tag={release_tag}",
        *(["--allow-downgrade"] if allow_downgrade else []),
        f"--attempts={attempts}",
    ]
    assert parse(Parameters, argv) == Parameters(
        release_tag=release_tag, allow_downgrade=allow_downgrade, attempts=attempts
    )


def test_nothing_given_is_the_defaults() -> None:
    assert parse(Parameters, []) == Parameters()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--release-tag", "2026.11.0"], {"release_tag": "2026.11.0"}),
        (["--release_tag", "v"], {"release_tag": "v"}),
        (["--plan-only", "--attempts", "5"], {"plan_only": True, "attempts": 5}),
        (["--plan-only=false"], {"plan_only": False}),
        (["--settings", '{"prefix": "vd1"}'], {"settings": {"prefix": "vd1"}}),
        (["--release-tag="], {"release_tag": ""}),
    ],
)
def test_flags(argv: list[str], expected: dict[str, Any]) -> None:
    assert parse(Parameters, argv) == Parameters(**expected)


@pytest.mark.parametrize("form", ["{}", "{}=", "{}==", '"{}"', "'{}'", '"{}="', " {}=\n", "{}\r\n"])
def test_padding_quotes_and_line_ends_do_no_harm(form: str) -> None:
    assert parse(Parameters, [form.format(raw('{"release_tag":"t"}'))]).release_tag == "t"


@pytest.mark.parametrize(
    ("argv", "code", "told"),
    [
        (["--nowhere", "1"], "VD-PARAM-001", ("--nowhere", "release_tag", "plan_only")),
        (["--release", "1"], "VD-PARAM-001", ("--release", "release_tag")),
        (["--plan-only", "yes"], "VD-PARAM-001", ("yes",)),
        ([encode({"nowhere": 1})], "VD-PARAM-001", ("nowhere", "release_tag")),
        ([encode({"a\nERROR: b" * 90: 1})], "VD-PARAM-001", ("a?ERROR: b",)),
        (["--release-tag"], "VD-PARAM-002", ("release_tag", "a text")),
        (["--attempts", "five"], "VD-PARAM-002", ("attempts", "a whole number")),
        (["--attempts", "5.5"], "VD-PARAM-002", ("attempts", "a whole number")),
        (["--attempts", "true"], "VD-PARAM-002", ("attempts", "a whole number")),
        (["--plan-only=yes"], "VD-PARAM-002", ("plan_only", "true or false")),
        (["--settings", "prefix=vd1"], "VD-PARAM-002", ("settings", "JSON object")),
        (["--settings", '{"prefix": 1}'], "VD-PARAM-002", ("settings", "JSON object")),
        (["--plan-only", "--plan-only"], "VD-PARAM-002", ("plan_only", "twice")),
        (["--release-tag", "a\nERROR: b"], "VD-PARAM-002", ("release_tag", "one line")),
        (["--release-tag", "x" * (MAX_TEXT_CHARACTERS + 1)], "VD-PARAM-002", ("release_tag",)),
        (["--correlation-id", "a b"], "VD-PARAM-002", ("correlation_id",)),
        (["--started-by", "a\x1b[2J"], "VD-PARAM-002", ("started_by",)),
        (["--started-by", "x" * 121], "VD-PARAM-002", ("started_by",)),
        (["--trial"], "VD-PARAM-002", ("trial", "plan_only")),
        ([encode({"plan_only": "true"})], "VD-PARAM-002", ("plan_only", "true or false")),
        ([encode({"plan_only": 1})], "VD-PARAM-002", ("plan_only", "true or false")),
        ([encode({"release_tag": None})], "VD-PARAM-002", ("release_tag", "a text")),
        ([encode({"settings": ["a"]})], "VD-PARAM-002", ("settings", "JSON object")),
        ([""], "VD-PARAM-003", ("base64url",)),
        (["{'release_tag':", "'latest'}"], "VD-PARAM-003", ("one argument",)),
        (['{"release_tag":"latest"}'], "VD-PARAM-003", ("base64url",)),
        (["a+b/"], "VD-PARAM-003", ("base64url",)),
        (["a"], "VD-PARAM-003", ("JSON",)),
        ([raw("no JSON")], "VD-PARAM-003", ("JSON",)),
        ([raw(b"\xff\xfe")], "VD-PARAM-003", ("JSON",)),
        ([raw("[1]")], "VD-PARAM-003", ("object",)),
        ([raw('{"attempts": NaN}')], "VD-PARAM-003", ("JSON",)),
        ([raw('{"attempts": 1, "attempts": 2}')], "VD-PARAM-003", ("JSON",)),
        ([raw('{"attempts": ' + "9" * 5000 + "}")], "VD-PARAM-003", ("JSON",)),
        ([raw('{"release_tag": "\\ud800"}')], "VD-PARAM-003", ("JSON",)),
        ([raw("[" * 100_000)], "VD-PARAM-003", ("JSON",)),
        (["A" * (MAX_ARGUMENT_BYTES + 1)], "VD-PARAM-003", (str(MAX_ARGUMENT_BYTES),)),
    ],
)
def test_refusals_name_the_parameter_and_what_it_takes(argv: list[str], code: str, told: tuple[str, ...]) -> None:
    error = refused(argv)
    assert error.code == code
    assert all(part in error.message for part in told), error.message
    assert error.message.isprintable()


@given(st.lists(st.text(), max_size=3))
def test_whatever_is_given_is_parsed_or_refused_with_a_code(argv: list[str]) -> None:
    try:
        assert isinstance(parse(Parameters, argv), Parameters)
    except RunbookError as error:
        assert error.code.startswith("VD-PARAM-")
    except HelpWanted:
        assert {"-h", "--help"} & set(argv)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_json_the_argument_holds(value: object) -> None:
    try:
        parse(Parameters, [raw(json.dumps({"release_tag": value, "settings": value}))])
    except RunbookError as error:
        assert error.exit_code == 2


def test_help_names_every_parameter_its_default_and_the_exit_codes() -> None:
    with pytest.raises(HelpWanted):
        parse(Parameters, ["--plan-only", "--help"])
    text = help_text("import_manifest", "a summary", Parameters)
    for part in ("a summary", "--release-tag VALUE", "(default: latest)", "(default: 3)", "--plan-only", "examples:"):
        assert part in text
    assert text.index("--release-tag") < text.index("--correlation-id")
    assert all(f" {code} " in text for code in (0, 1, 2))
    examples = [line.split()[2:] for line in text.splitlines() if line.startswith("  python")]
    assert [parse(Parameters, argv) for argv in examples] == [Parameters(plan_only=True)] * 2


def test_the_default_settings_are_nobodys_to_change() -> None:
    defaults: Mapping[str, str] = Parameters().settings
    with pytest.raises(TypeError):
        defaults["prefix"] = "x"  # type: ignore[index]


@pytest.mark.parametrize(
    ("argument", "settings"),
    [
        (encode({"settings": {"prefix": "vd1"}}), {"prefix": "vd1"}),
        (encode({"plan_only": True}), {}),
        (encode({"settings": ["vd1"]}), None),
        ("--help", None),
        ("", None),
    ],
)
def test_a_jobs_settings_are_read_from_its_argument_whoever_started_it(
    argument: str, settings: dict[str, str] | None
) -> None:
    assert settings_in(argument) == settings
