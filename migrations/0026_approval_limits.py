from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0025_identity_providers')]

    operations = [
        ops.AddField(
            model_name='User',
            name='approval_limit',
            field=fields.DecimalField(null=True, max_digits=18, decimal_places=4),
        ),
    ]
