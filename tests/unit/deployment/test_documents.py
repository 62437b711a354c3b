"""Each command in README.md and DEPLOY.md is run by a test, or says what it needs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = ("README.md", "DEPLOY.md")
BLOCK = re.compile(r"^(?P<mark>.*)\n```sh\n(?P<commands>(?:.*\n)*?)```", re.MULTILINE)
RUN_BY = re.compile(r"<!-- run by (?P<files>\S+(?: and \S+)*) -->")
PROGRAM = re.compile(r"(?:scripts|deploy)/[\w/-]+\.(?:sh|py)\b")
OPTION = re.compile(r"(?<=\s)--[a-z][a-z-]+")


def blocks() -> list[tuple[str, str, str]]:
    """Return document, mark above and commands of every block of shell commands."""
    found = []
    for name in DOCUMENTS:
        text = (ROOT / name).read_text()
        matches = list(BLOCK.finditer(text))
        assert len(matches) == text.count("```sh\n")
        found += [(name, match["mark"], match["commands"]) for match in matches]
    return found


@pytest.mark.parametrize(("document", "mark", "commands"), blocks())
def test_each_block_names_the_test_that_runs_it(document, mark, commands):
    if mark in {"<!-- needs a GPU host -->", "<!-- needs a container engine -->"}:
        return
    found = RUN_BY.fullmatch(mark)
    assert found, f"{document}: no comment says who runs this:\n{commands}"
    files = found["files"].split(" and ")
    test = "".join((ROOT / file).read_text() for file in files)
    if document in test:  # It takes the commands from there.
        return
    bare = re.sub(r"#.*", "", commands)
    for program in PROGRAM.findall(bare):
        assert program in test, f"{mark}: does not run {program}"
    for option in OPTION.findall(bare):
        assert option in test, f"{mark}: does not try {option}"


def test_every_link_leads_somewhere():
    for name in (*DOCUMENTS, "SECURITY.md", "CONTRIBUTING.md", "BENCHMARKS.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text()
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            file = ROOT / path if path else ROOT / name
            assert file.exists(), f"{name}: {target}"
            if anchor and file.suffix == ".md":
                assert anchor in anchors(file), f"{name}: {target}"


def anchors(document: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).replace(" ", "-")
        for heading in headings
    }
