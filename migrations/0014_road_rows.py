from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0013_notification_age')]

    operations = [
        ops.CreateModel(
            name='RoadRow',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=96)),
                ('ways', fields.IntField()),
                ('data', fields.BinaryField()),
                ('asked_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'road_row', 'app': 'truckroll', 'pk_attr': 'id', 'table_description': 'The ways by road from one place, as a road server told them: a cache, see ``roads.rows``. It belongs to nobody: it is'},
            bases=['Model'],
        ),
    ]
