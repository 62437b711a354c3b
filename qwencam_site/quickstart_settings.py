"""The settings that ``scripts/quickstart.sh`` has made up, for commands that run beside it.

The quickstart exports its settings to its own processes only. It also keeps them in its data
folder, for its user alone to read, so that ``manage.py`` finds them without being given any. They
are read only where nobody has set up the platform otherwise: the environment and ``.env`` come
first.
"""

import json
import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

SETTING: Final = re.compile(r"^([A-Z][A-Z0-9_]*)=", re.MULTILINE)
"""How ``env.example`` and ``.env`` name a setting."""
_KEY: Final = "DJANGO_SECRET_KEY"


def settings_file(data_dir: str | Path) -> Path:
    """Return where the quickstart with this data folder keeps its settings."""
    return Path(data_dir) / "run" / "settings.json"


def save(root: Path, *, data_dir: Path, environment: MutableMapping[str, str]) -> None:
    """Write every setting that ``env.example`` names and the environment has."""
    kept = {name: environment[name] for name in _names(root) if environment.get(name)}
    file = settings_file(data_dir)
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)  # Never into a file that somebody else has made.
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump(kept, opened, indent=2)
    partial.replace(file)


def load_missing(root: Path, *, environment: MutableMapping[str, str]) -> None:
    """Add the kept settings to an environment without a secret key; what it has already wins."""
    if environment.get(_KEY) or environment.get(f"{_KEY}_FILE") or _configured(root / ".env"):
        return
    file = settings_file(environment.get("DATA_DIR") or root / "var")
    try:
        if file.stat().st_uid != os.geteuid():  # Somebody else's are no settings of ours.
            return
        kept = json.loads(file.read_text(encoding="utf-8"))
        known = set(_names(root))
    except (OSError, ValueError):  # None was started here, or this user may not read it.
        return
    for name, value in kept.items() if isinstance(kept, dict) else ():
        if name in known and isinstance(value, str):
            environment.setdefault(name, value)


def not_found_hint(*, environment: Mapping[str, str]) -> str:
    """Return a sentence on the folder that was named and has no settings; empty otherwise."""
    folder = environment.get("DATA_DIR")
    if not folder or environment.get(_KEY) or environment.get(f"{_KEY}_FILE"):
        return ""
    return f" {settings_file(folder)} can't be read, or no quickstart has written it."


def _names(root: Path) -> list[str]:
    return SETTING.findall((root / "env.example").read_text(encoding="utf-8"))


def _configured(dotenv: Path) -> bool:
    try:
        names = SETTING.findall(dotenv.read_text(encoding="utf-8"))
    except OSError:
        return False
    except UnicodeDecodeError:  # The settings say so.
        return True
    return bool({_KEY, f"{_KEY}_FILE"}.intersection(names))


if __name__ == "__main__":
    save(Path.cwd(), data_dir=Path(os.environ["DATA_DIR"]), environment=os.environ)
