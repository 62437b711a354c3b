from django.db import migrations, models

import apps.camera_sessions.models


class Migration(migrations.Migration):
    dependencies = [("camera_sessions", "0001_camera_session")]

    operations = [
        migrations.RenameField("camerasession", "last_seen_at", "present_until"),
        migrations.AlterField(
            "camerasession",
            "present_until",
            models.DateTimeField(default=apps.camera_sessions.models.presence_end),
        ),
    ]
