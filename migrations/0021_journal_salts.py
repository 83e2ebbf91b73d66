from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0020_api_key_limits'), ('truckroll', '0020_audit_origin')]

    operations = [
        ops.AddField(
            model_name='JournalEntry',
            name='salt',
            field=fields.CharField(null=True, max_length=80),
        ),
    ]
