from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index

from app.database import RunDialectSQL

REST_HERE = 'UPDATE "position" SET "still_latitude" = "latitude", "still_longitude" = "longitude", "still_since" = "at"'
# Since when somebody has been on duty was not kept. Since the technician changed last is late rather than early. The id is
# the technician's under another prefix.
ON_DUTY = (
    'INSERT INTO "duty" ("id", "version", "created_at", "updated_at", "organization_id", "technician_id", "starts_at") '
    'SELECT \'duty_\' || substr("id", 6), 1, "updated_at", "updated_at", "organization_id", "id", "updated_at" '
    'FROM "technician" WHERE "status" <> \'OFF\''
)

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0009_journal_seals')]

    operations = [
        ops.CreateModel(
            name='Duty',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('technician', fields.ForeignKeyField('truckroll.Technician', source_field='technician_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('starts_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('ends_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'duty', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'technician_id', 'starts_at'])], 'pk_attr': 'id', 'table_description': 'A time on duty, which lasts while it has no end: where somebody was at another time concerns nobody. It is kept for'},
            bases=['OwnedTable'],
        ),
        ops.CreateModel(
            name='PositionSample',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('technician', fields.ForeignKeyField('truckroll.Technician', source_field='technician_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('latitude', fields.FloatField()),
                ('longitude', fields.FloatField()),
                ('accuracy_metres', fields.FloatField(null=True)),
                ('heading', fields.FloatField(null=True)),
                ('speed_metres_per_second', fields.FloatField(null=True)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'position_sample', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'technician_id', 'at', 'id']), Index(fields=['organization_id', 'at'])], 'pk_attr': 'id', 'table_description': 'Where a technician on duty was at a moment: one of few, kept for as many days as the organization says.'},
            bases=['OwnedTable'],
        ),
        ops.AddField(
            model_name='Appointment',
            name='arrival_suggested_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Appointment',
            name='arrived_distance_metres',
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name='Appointment',
            name='arrived_near_site',
            field=fields.BooleanField(null=True),
        ),
        ops.AddField(
            model_name='Organization',
            name='arrival_radius_metres',
            field=fields.IntField(default=150, db_default=150),
        ),
        ops.AddField(
            model_name='Organization',
            name='position_history_days',
            field=fields.IntField(default=7, db_default=7),
        ),
        ops.AlterModelOptions(
            name='Position',
            options={'table': 'position', 'app': 'truckroll', 'unique_together': (('organization_id', 'technician_id'),), 'indexes': [Index(fields=['organization_id', 'latitude', 'longitude'])], 'pk_attr': 'id', 'table_description': 'Where a technician on duty was last; and since when they have stayed near a place, which says that they stopped.'},
        ),
        ops.RemoveField(
            model_name='Position',
            name='announced_at',
        ),
        ops.AddField(
            model_name='Position',
            name='speed_metres_per_second',
            field=fields.FloatField(null=True),
        ),
        ops.AddField(
            model_name='Position',
            name='still_latitude',
            field=fields.FloatField(null=True),
        ),
        ops.AddField(
            model_name='Position',
            name='still_longitude',
            field=fields.FloatField(null=True),
        ),
        ops.AddField(
            model_name='Position',
            name='still_since',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        RunDialectSQL(
            sql={'sqlite': [REST_HERE, ON_DUTY], 'postgres': [REST_HERE, ON_DUTY]},
            reverse={},
        ),
        ops.AlterField(
            model_name='Position',
            name='still_latitude',
            field=fields.FloatField(),
        ),
        ops.AlterField(
            model_name='Position',
            name='still_longitude',
            field=fields.FloatField(),
        ),
        ops.AlterField(
            model_name='Position',
            name='still_since',
            field=fields.DatetimeField(auto_now=False, auto_now_add=False),
        ),
    ]
