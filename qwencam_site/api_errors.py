"""Every error of the HTTP API becomes `{"error": code, "detail": sentence}` here."""

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import (
    APIException,
    ParseError,
    Throttled,
    UnsupportedMediaType,
    ValidationError,
)
from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_framework_handler
from rest_framework.views import set_rollback

from apps.camera_sessions.parsers import BodyTooLarge

logger = logging.getLogger(__name__)

_CODES = {
    "authentication_failed": "not_authenticated",
    "error": "internal_error",
    "invalid": "bad_request",
    "not_acceptable": "bad_request",
    "parse_error": "bad_json",
    "permission_denied": "forbidden",
    "throttled": "rate_limited",
    "unsupported_media_type": "bad_request",
}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """The reply to `error`. An unforeseen one is logged, and `internal_error` to the client."""
    if isinstance(error, RecursionError):
        error = ParseError("The JSON is nested too deep.")
    if isinstance(error, RequestDataTooBig):
        error = BodyTooLarge()
    response = rest_framework_handler(error, context)
    if response is None:
        return _internal_error(error, context)
    response.data = body(_foreseen(error, status=response.status_code))
    return response


def body(error: APIException) -> dict[str, str]:
    """The two fields of the contract for an error of the REST framework."""
    return {"error": _code(error), "detail": _sentence(error)}


def _foreseen(error: Exception, *, status: int) -> APIException:
    """`error`, or what the framework made of Django's own Http404 and PermissionDenied."""
    if isinstance(error, APIException):
        return error
    if status == 404:
        return APIException("There is nothing here.", code="not_found")
    return APIException("This is not allowed.", code="permission_denied")


def _code(error: APIException) -> str:
    if isinstance(error, ValidationError):
        return "bad_request"
    code = str(error.get_codes())
    return _CODES.get(code, code)


def _sentence(error: APIException) -> str:
    match error:
        case Throttled():
            wait = getattr(error, "wait", None)
            return f"Too many requests; try again in {wait or 60:.0f} s."
        case UnsupportedMediaType():
            return "The body must be application/json."
        case _:
            return _first_message(error.detail)


def _first_message(detail: Any) -> str:
    """The first message in the framework's nested lists and dicts, led by its field's name."""
    match detail:
        case [first, *_]:
            return _first_message(first)
        case dict() if detail:
            field, inner = next(iter(detail.items()))
            message = _first_message(inner)
            return message if field == "non_field_errors" else f"{field}: {message}"
        case _:
            return str(detail)


def _internal_error(error: Exception, context: dict[str, Any]) -> Response:
    logger.error("Unhandled error in %s", type(context.get("view")).__name__, exc_info=error)
    set_rollback()
    detail = "Something went wrong on our side."
    return Response({"error": "internal_error", "detail": detail}, status=500)
