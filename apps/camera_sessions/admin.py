from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from apps.camera_sessions.models import CameraSession

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[CameraSession]
else:
    ModelAdmin = admin.ModelAdmin


@admin.register(CameraSession)
class CameraSessionAdmin(ModelAdmin):
    """Sessions to look at, for all staff; nothing here changes them."""

    list_display = ("id", "user", "started_at", "last_active_at", "ended_at", "end_reason")
    list_filter = ("end_reason",)
    search_fields = ("id", "user__username", "address")
    exclude = ("refresh_id", "login_id")
    date_hierarchy = "started_at"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: CameraSession | None = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: CameraSession | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: CameraSession | None = None) -> bool:
        return False
