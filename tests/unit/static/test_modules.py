"""The pages' JavaScript modules, as far as their text tells without a browser.

Guards: a console that needs the camera page's files, shared code that only one page uses, a name or
a file that nobody uses any more, an import that leads nowhere, a close code that the contract does
not have.
"""

import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from apps.contract import CloseCode

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "static"
COMMENT = re.compile(r"/\*.*?\*/|(?:^|(?<=\s))//[^\n]*", re.DOTALL | re.MULTILINE)
IMPORT = re.compile(
    r"""(?:^|[^\w.])import\s*(?:\{(?P<names>[^}]*)\}\s*from\s*)?["'](?P<path>[^"']+)["']"""
)
# As tests do: `const { name } = await import("/static/page/module.js")`.
IMPORT_BY_TEST = re.compile(
    r"""\{(?P<names>[^{}]*)\}\s*=\s*await\s+import\(["']/static/(?P<path>[^"']+)["']\)"""
)
EXPORT = re.compile(r"\bexport\s+(?:async\s+)?(?:class|function|const)\s+(?P<name>\w+)")
SCRIPT = re.compile(r"""<script[^>]*\{% static '(?P<path>[^']+\.js)' %\}""")
MAY_IMPORT = {
    "camera": {"camera", "shared"},
    "console": {"console", "shared"},
    "shared": {"shared"},
    "": {"shared"},  # Small scripts of the other pages.
}
# `api/docs.js` is a classic script, which neither imports nor exports.
MODULES = sorted(
    path.relative_to(STATIC).as_posix()
    for path in STATIC.rglob("*.js")
    if path.parent.name != "api"
)


@cache
def code(module: str) -> str:
    return COMMENT.sub("", (STATIC / module).read_text())


def room(module: str) -> str:
    return module.rpartition("/")[0]


def names(text: str | None) -> list[str]:
    return re.findall(r"\w+", text or "")


@cache
def imports(module: str) -> list[tuple[str, list[str]]]:
    """Return each module that this one imports, and the names it takes from it."""
    folder = (STATIC / module).parent
    return [
        ((folder / found["path"]).resolve().relative_to(STATIC).as_posix(), names(found["names"]))
        for found in IMPORT.finditer(code(module))
    ]


def exports(module: str) -> set[str]:
    return {found["name"] for found in EXPORT.finditer(code(module))}


def imports_by_tests() -> Iterator[tuple[str, list[str]]]:
    for test in (ROOT / "tests" / "e2e").glob("test_*.py"):
        for found in IMPORT_BY_TEST.finditer(test.read_text()):
            yield found["path"], names(found["names"])


def pages_scripts() -> set[str]:
    pages = (ROOT / "templates").rglob("*.html")
    return {found["path"] for page in pages for found in SCRIPT.finditer(page.read_text())}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_to_the_own_page_or_to_what_is_shared(module: str):
    assert {room(target) for target, _ in imports(module)} <= MAY_IMPORT[room(module)]


@pytest.mark.parametrize("module", MODULES)
def test_each_imported_name_is_exported_there_and_used_here(module: str):
    text = code(module)
    # Whatever way of importing or exporting is not known to this test would be overlooked.
    assert len(re.findall(r"\bimport\b", text)) == len(imports(module))
    assert len(re.findall(r"\bexport\b", text)) == len(exports(module))
    for target, taken in imports(module):
        assert target in MODULES
        assert set(taken) <= exports(target), target
        assert [name for name in taken if len(re.findall(rf"\b{name}\b", text)) < 2] == []


def test_imports_go_round_in_no_circle():
    graph = {module: {target for target, _ in imports(module)} for module in MODULES}
    list(TopologicalSorter(graph).static_order())


def test_each_exported_name_has_a_reader():
    read = {
        (target, name)
        for readers in (*map(imports, MODULES), imports_by_tests())
        for target, taken in readers
        for name in taken
    }
    assert {(module, name) for module in MODULES for name in exports(module)} == read


def test_each_module_is_a_page_s_or_read_by_another():
    read = {target for module in MODULES for target, _ in imports(module)}
    scripts = {script for script in pages_scripts() if room(script) in MAY_IMPORT}
    assert set(MODULES) == read | scripts
    assert read.isdisjoint(scripts)


def test_what_is_shared_serves_more_than_one_page():
    users: dict[str, set[str]] = {module: set() for module in MODULES}
    for page in MODULES:
        # What another shared module needs, the pages that use this one need.
        for target in reached(page) - {page}:
            users[target].add(room(page))
    shared = [module for module in MODULES if room(module) == "shared"]
    assert [module for module in shared if len(users[module] - {"shared"}) < 2] == []


@cache
def reached(module: str) -> set[str]:
    """Return the module and all that it needs."""
    return {module}.union(*(reached(target) for target, _ in imports(module)))


def test_the_close_codes_are_the_contract_s():
    text = (STATIC / "shared" / "close-codes.js").read_text()
    codes = dict(re.findall(r"^  ([A-Z_]+): (\d{4}),$", text, re.MULTILINE))
    everything = "".join(code(module) for module in MODULES)
    assert [name for name in codes if f"CloseCode.{name}" not in everything] == []
    assert set(re.findall(r"CloseCode\.(\w+)", everything)) == codes.keys()
    assert codes == {name: str(CloseCode[name].value) for name in codes}
