"""Refuses changes of the audit in the database: by triggers, on SQLite and on PostgreSQL.

What may be deleted is what a row of `AuditPurge` in the same transaction permits; on SQLite, which
can't tell transactions, one that was made within the last minute. On SQLite a later migration that
makes the table anew drops its triggers: it must make them again.
"""

import django.utils.timezone
from django.db import migrations, models

ENTRIES = 'console_auditentry'
PERMITS = 'console_auditpurge'
REFUSED = 'The audit is append-only: %s'
NO_UPDATE = REFUSED % 'no entry is changed.'
NO_DELETE = REFUSED % 'only manage.py purge_records deletes entries.'
# As Django writes a moment there, without the fraction.
FORMAT = '%Y-%m-%d %H:%M:%S'

SQLITE = (
    f"""
    CREATE TRIGGER {ENTRIES}_no_update BEFORE UPDATE ON {ENTRIES}
    BEGIN SELECT RAISE(ABORT, '{NO_UPDATE}'); END
    """,
    f"""
    CREATE TRIGGER {ENTRIES}_no_delete BEFORE DELETE ON {ENTRIES}
    WHEN NOT EXISTS (
        SELECT 1 FROM {PERMITS} WHERE OLD.at < before
        AND before <= strftime('{FORMAT}', 'now', '+1 second')
        AND made BETWEEN strftime('{FORMAT}', 'now', '-1 minute')
            AND strftime('{FORMAT}', 'now', '+1 second')
    )
    BEGIN SELECT RAISE(ABORT, '{NO_DELETE}'); END
    """,
    # INSERT OR REPLACE deletes the row before without its delete trigger.
    f"""
    CREATE TRIGGER {ENTRIES}_no_replace BEFORE INSERT ON {ENTRIES}
    WHEN EXISTS (SELECT 1 FROM {ENTRIES} WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, '{NO_UPDATE}'); END
    """,
)
SQLITE_BACK = tuple(
    f'DROP TRIGGER {ENTRIES}_no_{what}' for what in ('update', 'delete', 'replace')
)
POSTGRESQL = (
    f"""
    CREATE FUNCTION {ENTRIES}_refuse() RETURNS trigger LANGUAGE plpgsql
    -- Whoever calls it can have tables, functions and operators of these names in other schemas.
    SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        found boolean;
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            RAISE EXCEPTION '{NO_UPDATE}';
        END IF;
        IF TG_OP = 'TRUNCATE' THEN
            -- What is empty loses nothing: `manage.py flush` truncates all tables.
            EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I.%I)', TG_TABLE_SCHEMA, TG_TABLE_NAME)
                INTO found;
            IF found THEN
                RAISE EXCEPTION '{NO_DELETE}';
            END IF;
            RETURN NULL;
        END IF;
        EXECUTE format(
            'SELECT EXISTS (SELECT 1 FROM %I.{PERMITS} WHERE $1 < before'
            ' AND before <= clock_timestamp() AND xmin = pg_current_xact_id()::xid)',
            TG_TABLE_SCHEMA
        ) INTO found USING OLD.at;
        IF NOT found THEN
            RAISE EXCEPTION '{NO_DELETE}';
        END IF;
        RETURN OLD;
    END $$
    """,
    f"""
    CREATE TRIGGER {ENTRIES}_append_only BEFORE UPDATE OR DELETE ON {ENTRIES}
    FOR EACH ROW EXECUTE FUNCTION {ENTRIES}_refuse()
    """,
    f"""
    CREATE TRIGGER {ENTRIES}_not_emptied BEFORE TRUNCATE ON {ENTRIES}
    FOR EACH STATEMENT EXECUTE FUNCTION {ENTRIES}_refuse()
    """,
)
POSTGRESQL_BACK = (
    f'DROP TRIGGER {ENTRIES}_append_only ON {ENTRIES}',
    f'DROP TRIGGER {ENTRIES}_not_emptied ON {ENTRIES}',
    f'DROP FUNCTION {ENTRIES}_refuse()',
)


def make_triggers(apps, schema_editor):
    """Make the triggers of this database's kind."""
    run(schema_editor, {'sqlite': SQLITE, 'postgresql': POSTGRESQL})


def drop_triggers(apps, schema_editor):
    """Drop them."""
    run(schema_editor, {'sqlite': SQLITE_BACK, 'postgresql': POSTGRESQL_BACK})


def run(schema_editor, statements):
    for statement in statements[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):

    dependencies = [
        ('console', '0003_more_kinds'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditPurge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('before', models.DateTimeField()),
                ('made', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.RunPython(make_triggers, drop_triggers, elidable=False),
    ]
