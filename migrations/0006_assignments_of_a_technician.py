from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0005_appointment_ends')]

    operations = [
        ops.RemoveIndex(
            model_name='Assignment',
            name=None,
            fields=['organization_id', 'work_order_id'],
        ),
        ops.AddIndex(
            model_name='Assignment',
            index=Index(fields=['organization_id', 'technician', 'appointment']),
        ),
        ops.AddIndex(
            model_name='Assignment',
            index=Index(fields=['organization_id', 'technician', 'work_order_id']),
        ),
    ]
