"""Rules of the package's files: their sizes, the artifacts that the template fetches, and the view's definition."""

import re
from collections.abc import Iterator, Mapping, Sequence

from runbook_lib.basics.strict_json import member
from vibedata.package.contents import TEMPLATE, USER_INTERFACE, VIEW, Contents
from vibedata.package.expressions import Call, Expression, Literal, is_expression
from vibedata.package.rule import Fault, rule
from vibedata.package.template import Scope, referenced, scopes

# Partner Center's limit, for the zip and for each file in it.
MAX_BYTES = 1024**3
_PLAN = "learn marketplace/plan-azure-app-managed-app"
_VIEWS = "learn azure-resource-manager/managed-applications/concepts-view-definition"
_VIEW_SCHEMA = "https://schema.management.azure.com/schemas/viewdefinition/0.0.1-preview/ViewDefinition.json#"
# The kinds of views that do not need a custom provider. This application has no custom provider.
_KINDS = ("Overview", "Metrics")
_URI_ARGUMENTS = 2
# A place in the text of format(). No call has thousands of arguments.
_PLACE = re.compile(r"\{(\d{1,3})\}")


@rule(
    "Package Must Not Be Too Large",
    source=_PLAN,
    remedy="Remove from the artifacts all files that the template does not fetch.",
    needs=[],
)
def package_must_not_be_too_large(contents: Contents) -> Iterator[Fault]:
    """Find files that are larger than Partner Center takes, one by one or all together."""
    total = 0
    for name, size in contents.artifacts.items():
        total += size
        if size > MAX_BYTES:
            yield Fault(name, (), f"{size:,} bytes, at most {MAX_BYTES:,}")
        elif total > MAX_BYTES:
            yield Fault(name, (), f"with it, all files have {total:,} bytes, at most {MAX_BYTES:,}")


@rule(
    "Names In The Package Must Be Unique",
    source=_PLAN,
    remedy="Give the artifact another name, in UTF-8. Names are compared without their capitals.",
    needs=[],
)
def names_in_the_package_must_be_unique(contents: Contents) -> Iterator[Fault]:
    """Find an artifact with the name of another file of the package, or with a name that a zip cannot hold."""
    yield from (Fault(name, (), "the name is not UTF-8") for name in contents.artifacts if not _is_utf8(name))
    taken = {each.lower() for each in (TEMPLATE, USER_INTERFACE, VIEW)}
    for name in contents.artifacts:
        if name.lower() in taken:
            yield Fault(name, (), f"the package has another file {name.lower()}")
        taken.add(name.lower())


@rule(
    "Artifacts Must Be In The Package",
    source="learn azure-resource-manager/managed-applications/artifacts-location",
    remedy="Give the folder of the built release with --artifacts, or correct the name in the template.",
    needs=[TEMPLATE],
)
def artifacts_must_be_in_the_package(contents: Contents) -> Iterator[Fault]:
    """Find a missing file that the template fetches from the package."""
    for scope in scopes(contents.documents[TEMPLATE]):
        for path, call in scope.calls():
            if call.name.lower() != "uri" or not _is_beside(call.arguments) or len(call.arguments) != _URI_ARGUMENTS:
                continue
            name = _known_text(call.arguments[1], scope)
            if name is not None and name not in contents.artifacts:
                yield Fault(scope.name, path, f"the package has no file {name}")


@rule(
    "View Definition Is Correct",
    source=_VIEWS,
    remedy="Correct the part that the message names.",
    needs=[VIEW],
)
def view_definition_is_correct(contents: Contents) -> Iterator[Fault]:
    """Find what the portal cannot show: an unknown view, a chart without a metric, a wrong schema."""
    value = contents.documents[VIEW].value
    if member(value, "$schema") != _VIEW_SCHEMA:
        yield Fault(VIEW, ("$schema",), f"$schema is not {_VIEW_SCHEMA}")
    views = member(value, "views")
    if not isinstance(views, list) or not views:
        yield Fault(VIEW, ("views",), "there are no views")
        return
    for index, view in enumerate(views):
        path = ("views", index)
        if member(view, "kind") not in _KINDS:
            yield Fault(VIEW, (*path, "kind"), f"a view is of one of the kinds {', '.join(_KINDS)}")
        elif member(view, "kind") == "Metrics":
            yield from _chart_faults(member(view, "properties", "charts"), (*path, "properties", "charts"))


def _chart_faults(charts: object, path: tuple[str | int, ...]) -> Iterator[Fault]:
    if not isinstance(charts, list) or not charts:
        yield Fault(VIEW, path, "a view of metrics has at least one chart")
        return
    for index, chart in enumerate(charts):
        metrics = member(chart, "metrics")
        if not member(chart, "displayName") or not isinstance(metrics, list) or not metrics:
            yield Fault(VIEW, (*path, index), "a chart has a displayName and metrics")
            continue
        for number, metric in enumerate(metrics):
            wanted = ("name", "aggregationType", "resourceType")
            if not isinstance(metric, Mapping) or not all(metric.get(key) for key in wanted):
                yield Fault(VIEW, (*path, index, "metrics", number), f"a metric has {', '.join(wanted)}")


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _known_text(expression: Expression, scope: Scope) -> str | None:
    """Return a text that depends only on the template's defaults, None for any other text."""
    if isinstance(expression, Literal):
        return expression.value if isinstance(expression.value, str) else None
    if not isinstance(expression, Call):
        return None
    if (name := referenced(expression, "parameters")) is not None:
        default = member(scope.section("parameters").get(name), "defaultValue")
        return default if isinstance(default, str) and not is_expression(default) else None
    parts = [_known_text(each, scope) for each in expression.arguments]
    known = [each for each in parts if each is not None]
    if expression.name.lower() not in ("format", "concat") or len(known) != len(parts):
        return None
    return "".join(known) if expression.name.lower() == "concat" else _formatted(known)


def _formatted(texts: Sequence[str]) -> str | None:
    """Return what format() makes of texts, None if Azure refuses the call."""
    if not texts or any(int(number) + 1 >= len(texts) for number in _PLACE.findall(texts[0])):
        return None
    return _PLACE.sub(lambda found: texts[int(found[1]) + 1], texts[0])


def _is_beside(arguments: tuple[object, ...]) -> bool:
    """Tell whether an address begins at the package's own place."""
    first = arguments[0] if arguments else None
    return isinstance(first, Call) and referenced(first, "parameters") == "_artifactsLocation"
