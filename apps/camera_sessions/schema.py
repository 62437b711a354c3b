"""Our authentication classes in the OpenAPI schema. Importing this registers them."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class CameraSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.camera_sessions.authentication.CameraSessionAuthentication"
    name = "sessionToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class LoginCookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.camera_sessions.authentication.LoginCookie"
    name = "loginCookie"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
