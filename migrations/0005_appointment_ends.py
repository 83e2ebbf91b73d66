from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0004_list_indexes')]

    operations = [
        ops.AddIndex(
            model_name='Appointment',
            index=Index(fields=['organization_id', 'ends_at', 'id']),
        ),
    ]
