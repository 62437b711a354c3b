"""Which settings our programs read, and which our files name."""

import ast
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final

import yaml

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
NAME: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
SECRET_READERS: Final = {"secret", "secret_url", "signing_key", "database"}
# What code calls the environment, or what reads it.
ENVIRONMENTS: Final = {"environment", "environ", "settings", "read"}
# The names with an underscore, so that no common word in capitals counts.
TOKEN: Final = re.compile(r"(?<![\w$/.-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w-]|\.[a-z])")


# --- What is read ---------------------------------------------------------------------------------


def reads_of_python(files: Iterable[Path]) -> set[str]:
    """Return the names that are read from the environment, with the files of secrets."""
    return {name for file in files for name in _read_in(ast.parse(file.read_text()))}


def secrets_of_python(files: Iterable[Path]) -> set[str]:
    """Return the names of settings that may come from a file."""
    reads = reads_of_python(files)
    return {name for name in reads if f"{name}_FILE" in reads}


def _read_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=owner, attr=reader),
                args=[ast.Constant(value=str(name)), *_],
            ) if _called(owner) in ENVIRONMENTS and NAME.fullmatch(name):
                yield name
                if reader in SECRET_READERS:
                    yield f"{name}_FILE"
            case ast.Subscript(value=owner, slice=ast.Constant(value=str(name))) if _called(
                owner
            ) in ENVIRONMENTS and NAME.fullmatch(name):
                yield name


def _called(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def reads_of_shell(files: Iterable[Path]) -> set[str]:
    """Return the names that a script takes from outside: `set -u` wants a default for each."""
    pattern = re.compile(r"\$\{([A-Z][A-Z0-9_]*):?[-=?+]")
    return {name for file in files for name in pattern.findall(file.read_text())}


def python_files(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def shell_files(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.sh"))]


# --- What is named --------------------------------------------------------------------------------


def example(file: Path) -> dict[str, str]:
    """Return the values of an environment file."""
    lines = (line for line in file.read_text().splitlines() if NAME.match(line) and "=" in line)
    return dict(line.split("=", 1) for line in lines)


def tokens(text: str) -> set[str]:
    """Return what looks like a setting in a document."""
    return set(TOKEN.findall(text))


def units() -> list[Path]:
    return sorted((DEPLOY / "systemd").glob("*.service"))


def unit_lines(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


def unit_environment(unit: Path) -> dict[str, str]:
    """Return what a unit sets: `Environment=`, and `env NAME=...` before its program."""
    pairs = " ".join([*unit_lines(unit, "Environment"), *unit_lines(unit, "ExecStart")])
    return dict(re.findall(r"(?:^|\s)([A-Z][A-Z0-9_]*)=(\S*)", pairs))


def compose_files() -> list[Path]:
    return sorted([*DEPLOY.glob("docker-compose*.yml"), *(DEPLOY / "docker").glob("*.yml")])


def compose_services() -> list[tuple[str, dict[str, Any]]]:
    """Return each service that has our settings, named by its file and itself."""
    found = []
    for file in compose_files():
        services = yaml.load(file.read_text(), Loader=_ComposeLoader).get("services", {})
        found += [(f"{file.name}: {name}", service) for name, service in services.items()]
    return [(name, service) for name, service in found if "env_file" in service]


class _ComposeLoader(yaml.SafeLoader):
    """YAML with Compose's own tags (`!reset`, `!override`), which say nothing of names."""


def _plain(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> object:
    return loader.construct_mapping(node) if isinstance(node, yaml.MappingNode) else None


_ComposeLoader.add_multi_constructor("!", _plain)


def service_environment(service: dict[str, Any]) -> set[str]:
    given = service.get("environment", {})
    return {str(name).split("=")[0] for name in given}


def image_environment(dockerfile: Path) -> set[str]:
    """Return the names that an image sets."""
    text = dockerfile.read_text().replace("\\\n", " ")
    lines = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return {name for line in lines for name in re.findall(r"(?:^|\s)([A-Z][A-Z0-9_]*)=", line)}


def interpolated(file: Path) -> AbstractSet[str]:
    """Return the names whose values a Compose file takes from deploy/.env."""
    return interpolation_defaults(file).keys()


def interpolation_defaults(file: Path) -> dict[str, str]:
    """Return what a Compose file takes for each of these names where deploy/.env has none."""
    return dict(re.findall(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)(?::?-([^}]*))?", file.read_text()))


def written_by(script: Path) -> set[str]:
    """Return the names that a script writes into a file of settings, as text of its own."""
    text = script.read_text()
    here = re.findall(r"<<'?([A-Z]+)'?[^\n]*\n(.*?)\n\1\n", text, re.DOTALL)
    lines = "\n".join(body for _, body in here)
    words = set(re.findall(r"""["'(]([A-Z]+(?:_[A-Z]+)+)=""", text))
    return words | set(re.findall(r"^([A-Z][A-Z0-9_]*)=", lines, re.MULTILINE))
