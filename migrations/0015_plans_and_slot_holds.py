from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0014_road_rows')]

    operations = [
        ops.CreateModel(
            name='SlotHold',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('work_order', fields.ForeignKeyField('truckroll.WorkOrder', source_field='work_order_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('appointment', fields.ForeignKeyField('truckroll.Appointment', source_field='appointment_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('customer_id', fields.CharField(max_length=40)),
                ('status', fields.CharField(default='HELD', max_length=32)),
                ('window_start', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('window_end', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('starts_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('ends_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('technician_ids', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('held_by', fields.CharField(max_length=40)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'slot_hold', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'expires_at', 'id']), Index(fields=['organization_id', 'created_at', 'id']), Index(fields=['organization_id', 'status', 'expires_at']), Index(fields=['organization_id', 'customer_id', 'status']), Index(fields=['appointment', 'status'])], 'pk_attr': 'id', 'table_description': 'A time that is kept free for a customer who is choosing.'},
            bases=['OwnedTable'],
        ),
        ops.AlterModelOptions(
            name='PlanRun',
            options={'table': 'plan_run', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'day', 'created_at']), Index(fields=['organization_id', 'status'])], 'pk_attr': 'id', 'table_description': 'One question to the planner and where its answer stands. It is about ``days`` days from ``day`` on.'},
        ),
        ops.AddField(
            model_name='PlanRun',
            name='days',
            field=fields.IntField(default=1, db_default=1),
        ),
        ops.AddField(
            model_name='PlanRun',
            name='kind',
            field=fields.CharField(default='SCHEDULE', db_default='SCHEDULE', max_length=32),
        ),
        ops.AddField(
            model_name='PlanRun',
            name='question',
            field=fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads),
        ),
        ops.AddField(
            model_name='PlanRun',
            name='territory_ids',
            field=fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads),
        ),
    ]
