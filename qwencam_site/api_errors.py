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

from apps.camera_sessions.parsers import body_too_large
from apps.contract import ErrorCode, Refusal

logger = logging.getLogger(__name__)

_CODES = {
    "authentication_failed": ErrorCode.NOT_AUTHENTICATED,
    "error": ErrorCode.INTERNAL_ERROR,
    "invalid": ErrorCode.BAD_REQUEST,
    "method_not_allowed": ErrorCode.METHOD_NOT_ALLOWED,
    "not_acceptable": ErrorCode.BAD_REQUEST,
    "not_authenticated": ErrorCode.NOT_AUTHENTICATED,
    "not_found": ErrorCode.NOT_FOUND,
    "parse_error": ErrorCode.BAD_JSON,
    "permission_denied": ErrorCode.FORBIDDEN,
    "throttled": ErrorCode.RATE_LIMITED,
    "unsupported_media_type": ErrorCode.BAD_REQUEST,
}
"""What the REST framework calls an error, and what clients do."""


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """The reply to `error`. An unforeseen one is logged, and `internal_error` to the client."""
    if isinstance(error, RecursionError):
        error = ParseError("The JSON is nested too deep.")
    if isinstance(error, RequestDataTooBig):
        error = body_too_large()
    if isinstance(error, Refusal):
        return _refused(error, context)
    response = rest_framework_handler(error, context)
    if response is None:
        return _internal_error(error, context)
    response.data = body(_foreseen(error, status=response.status_code))
    return response


def _refused(refusal: Refusal, context: dict[str, Any]) -> Response:
    set_rollback()
    headers = {}
    status = refusal.code.status or 500
    if status == 401:  # RFC 9110 wants to be told how to authenticate.
        header = context["view"].get_authenticate_header(context["request"])
        headers["WWW-Authenticate"] = header
    return Response(refusal.as_dict(), status=status, headers=headers)


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


def _code(error: APIException) -> ErrorCode:
    if isinstance(error, ValidationError):
        return ErrorCode.BAD_REQUEST
    return _CODES.get(str(error.get_codes()), ErrorCode.INTERNAL_ERROR)


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
    internal = Refusal(ErrorCode.INTERNAL_ERROR, "Something went wrong on our side.")
    return Response(internal.as_dict(), status=500)
