"""Logging: plain text or JSON lines, to standard error and optionally a file.

Nothing here or elsewhere logs a question, an answer or a frame.
"""

from typing import Any


def configuration(*, file: str, form: str, level: str) -> dict[str, Any]:
    """Return a ``logging.config`` dictionary.

    Args:
        file: path of a log file, or empty for standard error only.
        form: ``text`` or ``json``.
        level: least severe level that is written.
    """
    handlers: dict[str, dict[str, Any]] = {
        "stderr": {"class": "logging.StreamHandler", "formatter": form}
    }
    if file:
        # WatchedFileHandler reopens the file after logrotate has moved it.
        handlers["file"] = {
            "class": "logging.handlers.WatchedFileHandler",
            "filename": file,
            "formatter": form,
        }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
            },
        },
        "handlers": handlers,
        "root": {"handlers": list(handlers), "level": level},
        "loggers": {
            # httpx logs each request's URL, aioice each check: too much at INFO.
            "httpx": {"level": "WARNING"},
            "aioice": {"level": "WARNING"},
            "aiortc": {"level": "WARNING"},
        },
    }
