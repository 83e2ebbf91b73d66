from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0019_custom_roles')]

    operations = [
        ops.AddField(
            model_name='JournalEntry',
            name='address',
            field=fields.CharField(null=True, max_length=64),
        ),
        ops.AddField(
            model_name='JournalEntry',
            name='operation',
            field=fields.CharField(null=True, max_length=80),
        ),
        ops.AddField(
            model_name='JournalEntry',
            name='session_id',
            field=fields.CharField(null=True, max_length=40),
        ),
        ops.AddField(
            model_name='JournalEntry',
            name='user_agent',
            field=fields.CharField(null=True, max_length=200),
        ),
        ops.AddIndex(
            model_name='JournalEntry',
            index=Index(fields=['organization_id', 'at', 'id']),
        ),
        ops.AddIndex(
            model_name='JournalEntry',
            index=Index(fields=['organization_id', 'actor_id', 'at', 'id']),
        ),
        ops.AddIndex(
            model_name='JournalEntry',
            index=Index(fields=['organization_id', 'type', 'at', 'id']),
        ),
    ]
