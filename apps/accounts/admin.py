from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from apps.accounts.forms import StaffLoginForm
from apps.accounts.models import User

admin.site.login_form = StaffLoginForm
admin.site.register(User, UserAdmin)
