"""Which literals in Bicep files are image tags, in each form of writing, and which literals are not."""

from pathlib import Path

import pytest

from tests.support.template import INFRA
from vibedata.image_tags.literal_tags import literal_tags

DIGEST = "sha256:" + "0f" * 32
APP = "resource app 'Microsoft.App/containerApps@2024-03-01' = {{ name: 'a', properties: {{ {} }} }}"
# Each line that ends with `// here` has a literal tag.
LITERAL = {
    "a string": APP.format("image: 'vibedata/studio:1.4.0'") + " // here",
    "with a host and its port": APP.format("image: 'registry.example:5000/studio:1'") + " // here",
    "without any folder": APP.format("image: 'nginx:latest'") + " // here",
    "a digest": APP.format(f"image: 'vibedata/studio@{DIGEST}'") + " // here",
    "a tag and a digest": APP.format(f"image: 'studio:1.4.0@{DIGEST}'") + " // here",
    "an interpolated string": "param host string\n" + APP.format("image: '${host}/studio:1.4.0'") + " // here",
    "a tag that begins with a literal": "param n string\n" + APP.format("image: 'studio:1.${n}'") + " // here",
    "the default of a parameter": "param t string = '1.4.0' // here\n" + APP.format("image: 'studio:${t}'"),
    "the default of a whole reference": "param ref string = 'a/b:1' // here\n" + APP.format("image: ref"),
    "a variable": "var t = 'r1' // here\n" + APP.format("image: 'studio:${t}'"),
    "a variable of a variable": "var a = '7' // here\nvar b = a\n" + APP.format("image: 'studio:${b}'"),
    "a member of a variable": "var all = {\n  studio: 'a/studio:v2' // here\n}\n" + APP.format("image: all.studio"),
    "an item of a loop": "var all = [\n  { ref: 'a:1' } // here\n]\n"
    "resource x 'a/b@1' = [for one in all: { name: 'n', image: one.ref }]",
    "one side of a condition": "param p bool\n" + APP.format("image: p ? 'a:1' : 'b'") + " // here",
    "a member behind a condition": "param p bool\nvar m = { b: 'b:2' } // here\n" + APP.format("image: p ? 'a' : m.b"),
    "a default for null": "param r string?\n" + APP.format("image: r ?? 'a/b:1.2'") + " // here",
    "format": "param r string\n" + APP.format("image: format('{0}/studio:{1}', r, '1.2')") + " // here",
    "concat": "param r string\n" + APP.format("image: concat(r, '/studio:', '1.2')") + " // here",
    "a function of the file": "func ref(n string) string => 'r/${n}:1.2' // here\n" + APP.format("image: ref('a')"),
    "map": "param ns array\n" + APP.format("c: map(ns, n => { image: '${n}:1' })") + " // here",
    "a site's setting": APP.format("linuxFxVersion: 'DOCKER|a.azurecr.io/b:1'") + " // here",
    "a parameter named as a tag": "param imageTag string = '1.4.0' // here",
    "a parameter of one image's tag": "param studioImageTag string = 'latest' // here",
    "a member of values": APP.format("'image.tag': '1.2.3'") + " // here",
    "a text that nobody names an image": "var anything = 'mcr.microsoft.com/k8s/proxy:v1.2' // here",
    "in several lines": "var yaml = '''mcr.microsoft.com/x/y:1.2.3''' // here",
    "a spread": "param p object\nvar v = {\n  ...p\n  image: 'a:1' // here\n}",
    "types derived from a resource's type": "type t = resourceInput<'Microsoft.App/jobs@2026-01-01'>.properties\n"
    "param p resourceOutput<'Microsoft.App/jobs@2026-01-01'>.tags.*[]?\n"
    "param q { of: resourceInput<'A/b@2026-01-01'>.properties.items[*].name, n: resource<'A/b@2026-01-01'> }\n"
    "param image string = 'a/b:1' // here",
    "a child resource": "resource a 'a/b@1' = {\n  name: 'a'\n  resource c 'c' = {\n    name: 'c'\n"
    "    image: 'x/y:1' // here\n  }\n}",
}
FREE = {
    "parameters": "param image string\nparam tag string\n" + APP.format("image: image, b: { image: 'a/b:${tag}' }"),
    "api-versions": "resource a 'Microsoft.App/jobs@2024-03-01' existing = { name: 'a' }",
    "a module's version": "module m 'br/public:avm/res/app/job:0.4.0' = { name: 'm' }",
    "resource tags": "var tags = { tag: '1.2.3', image: 'a:1' }\n" + APP.format("tags: { tag: 'v1', version: '1.2' }"),
    "a runtime that is no container": APP.format("linuxFxVersion: 'PYTHON|3.10'"),
    "an address": "var a = 'https://host.example:8443/a/b'\nvar b = 'http://host:80'\nvar c = 'tcp/ports:443'",
    "a picture": APP.format("image: 'https://host.example/logo.png'"),
    "a description": "@description('for example vibedata/studio:1.4.0')\nparam image string",
    "a comment": "// image: 'a/b:1.0'\n/* 'a/b:1.0' */",
    "the offer of a machine": APP.format("imageReference: { publisher: 'a', sku: '22', version: 'latest' }"),
    "a frame around a parameter": "param v string\n" + APP.format("image: 'a:${v}-alpine'"),
    "a condition's text": "param e string\nparam t string\n" + APP.format("image: e == 'a/b:1x' ? 'a:${t}' : 'b'"),
    "times and versions": "var a = '10:30'\nvar b = '1.2.3'\nparam kubernetesVersion string = '1.31'",
    "an index beyond all": APP.format(f"image: format('a/b:{{{'9' * 5000}}}', '1.2')"),
    "an empty default": "param studioImage string = ''\n" + APP.format("image: studioImage"),
}


def lines_of(folder: Path) -> dict[str, list[int]]:
    found, unread, _ = literal_tags([folder])
    assert unread == ()
    return {name: [each.line for each in found if each.file.endswith(name)] for name in ("main.bicep", "apps.bicep")}


def marked(text: str) -> list[int]:
    return [number for number, line in enumerate(text.split("\n"), 1) if line.endswith("// here")]


@pytest.mark.parametrize("name", LITERAL)
def test_a_literal_is_found_at_its_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "main.bicep").write_text(LITERAL[name])
    assert lines_of(tmp_path)["main.bicep"] == marked(LITERAL[name]) != []


@pytest.mark.parametrize("name", FREE)
def test_what_is_no_literal_tag_is_not_found(name: str, tmp_path: Path) -> None:
    (tmp_path / "main.bicep").write_text(FREE[name])
    assert lines_of(tmp_path)["main.bicep"] == []


def test_what_a_caller_passes_to_a_module_is_found_in_the_caller(tmp_path: Path) -> None:
    main = "module apps 'modules/apps.bicep' = {\n  name: 'apps'\n  params: {\n    version: '1.4.0' // here\n  }\n}"
    apps = "param version string\nparam other string = '2' // here\n"
    apps += APP.format("image: 'a/studio:${version}'") + "\n" + APP.format("image: 'b:${other}'").replace("app ", "b ")
    (tmp_path / "modules").mkdir()
    (tmp_path / "main.bicep").write_text(main)
    (tmp_path / "modules" / "apps.bicep").write_text(apps)
    assert lines_of(tmp_path) == {"main.bicep": marked(main), "apps.bicep": marked(apps)}
    # A module that is not named is read because the caller names it.
    found, unread, count = literal_tags([tmp_path / "main.bicep"])
    assert (len(found), unread, count) == (2, (), 2)


def test_nothing_that_was_not_looked_into_counts_as_good(tmp_path: Path) -> None:
    (tmp_path / "broken.bicep").write_text("param a string\nresource = 'a/b:1'\n")
    (tmp_path / "latin.bicep").write_bytes(b"// \n// \xe9\n")
    (tmp_path / "calls.bicep").write_text("module m 'gone.bicep' = { name: 'm' }")
    _, unread, count = literal_tags([tmp_path, tmp_path / "none.bicep"])
    places = {(Path(each.file).name, each.line) for each in unread}
    assert places == {("broken.bicep", 2), ("latin.bicep", 2), ("gone.bicep", 0), ("none.bicep", 0)}
    assert count == 1
    (tmp_path / "deep.bicep").write_text(f"var a = {'[' * 3000}1{']' * 3000}")
    (deep,) = literal_tags([tmp_path / "deep.bicep"])[1]
    assert deep.why == "its expressions are nested too deeply"
    (tmp_path / "empty").mkdir()
    assert [each.why for each in literal_tags([tmp_path / "empty"])[1]] == ["there is no Bicep file in this folder"]
    assert [each.why for each in literal_tags([])[1]] == ["no file is named"]


def test_the_template_has_none() -> None:
    found, unread, count = literal_tags([INFRA])
    assert (found, unread) == ((), ())
    assert count == len(list(INFRA.rglob("*.bicep")))


def test_variables_that_double_each_other_take_no_time(tmp_path: Path) -> None:
    lines = ["var a0 = 'x'", *(f"var a{n} = '${{a{n - 1}}}${{a{n - 1}}}'" for n in range(1, 60)), "var image = a59"]
    lines += ["var c = d", "var d = c", "param p bool", *(f"var o{n} = p ? 'a{n}' : 'b{n}'" for n in range(12))]
    lines.append("var many = { image: '" + "".join(f"${{o{n}}}" for n in range(12)) + ":1' } // here")
    text = "\n".join(lines)
    (tmp_path / "main.bicep").write_text(text)
    assert lines_of(tmp_path)["main.bicep"] == marked(text)
