from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0012_visit_shares')]

    operations = [
        ops.AddIndex(
            model_name='Notification',
            index=Index(fields=['created_at']),
        ),
    ]
