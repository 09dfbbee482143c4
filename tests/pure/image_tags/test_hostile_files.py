"""A few lines of Bicep whose values double with each line: the search ends, and the file does not count as good."""

from pathlib import Path

import pytest

from vibedata.image_tags.literal_tags import literal_tags

pytestmark = pytest.mark.slow  # hostile sources take a second or more

COMPLEX = "its expressions are too complex"
LAST = 40


def chain(first: str, form: str, count: int = LAST) -> str:
    return "\n".join([first, *(form.format(n=number, m=number - 1) for number in range(1, count + 1))]) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        chain("func f0(x string) string => x", "func f{n}(x string) string => '${{f{m}(x)}}${{f{m}(x)}}'")
        + "var image = f40('a/b')",
        chain("var a0 = { x: 'a' }", "var a{n} = {{ x: a{m}, y: a{m} }}", 59)
        + chain("var b0 = { x: 'a' }", "var b{n} = {{ x: b{m}, y: b{m} }}", 59)
        + "param p bool\nvar image = p ? a59 : b59\n",
        chain("var a0 = ['a']", "var a{n} = [a{m}, [a{m}]]", 59) + "var image = a59\n",
        "param p bool\nvar r = [\n"
        + "".join(f"  {{ x: 'a{number}', y: r }}\n" for number in range(20_000))
        + "]\nvar image = r\n",
    ],
)
def test_values_that_double_with_each_line_are_not_counted_one_by_one(tmp_path: Path, text: str) -> None:
    file, good = tmp_path / "main.bicep", tmp_path / "a.bicep"
    file.write_text(text)
    good.write_text("var image = 'a/b:1.0'\n")
    found, unread, count = literal_tags([good, file])
    assert [(each.file, each.line) for each in found] == [(str(good), 1)]
    assert count == 2
    assert [(each.file, each.line, each.why) for each in unread] in ([], [(str(file), 0, COMPLEX)])


def test_functions_that_call_each_other_twice_are_too_complex(tmp_path: Path) -> None:
    file = tmp_path / "main.bicep"
    text = chain("func f0(x string) string => x", "func f{n}(x string) string => f{m}(f{m}(x))")
    file.write_text(f"var image = 'a/b:1.0'\n{text}var image = f40('a/b')\n")
    found, unread, _ = literal_tags([file])
    assert [each.line for each in found] == [1]
    assert [(each.file, each.line, each.why) for each in unread] == [(str(file), 0, COMPLEX)]


def test_modules_that_call_the_next_one_twice_are_too_complex(tmp_path: Path) -> None:
    for number in range(21):
        inner = f"m{number + 1}.bicep"
        call = "module {} '{}' = {{ name: 'n', params: {{ x: '{}${{x}}' }} }}\n"
        calls = "".join(call.format(name, inner, name) for name in "ab") if number < 20 else "var r = '${x}'\n"
        (tmp_path / f"m{number}.bicep").write_text("param x string\n" + calls)
    _, unread, count = literal_tags([tmp_path / "m0.bicep"])
    assert count == 21
    assert unread[0].why == COMPLEX
