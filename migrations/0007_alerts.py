from tortoise import migrations
from tortoise.migrations import operations as ops
from app.database import RunDialectSQL
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import UniqueConstraint

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0006_assignments_of_a_technician')]

    operations = [
        ops.CreateModel(
            name='Alert',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('kind', fields.CharField(max_length=32)),
                ('severity', fields.CharField(max_length=32)),
                ('status', fields.CharField(default='OPEN', max_length=32)),
                ('subject_id', fields.CharField(max_length=40)),
                ('work_order_id', fields.CharField(null=True, max_length=40)),
                ('appointment_id', fields.CharField(null=True, max_length=40)),
                ('customer_id', fields.CharField(null=True, max_length=40)),
                ('territory_id', fields.CharField(null=True, max_length=40)),
                ('technician_ids', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('message', fields.CharField(max_length=500)),
                ('due_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('cause', fields.CharField(null=True, max_length=120)),
                ('raised_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('acknowledged_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('acknowledged_by_id', fields.CharField(null=True, max_length=40)),
                ('resolved_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('resolved_by_id', fields.CharField(null=True, max_length=40)),
            ],
            options={'table': 'alert', 'app': 'truckroll', 'unique_together': (('organization_id', 'kind', 'cause'),), 'constraints': [UniqueConstraint(fields=('organization_id', 'kind', 'subject_id'), name='alert_unresolved_once', condition='"status" <> \'RESOLVED\'')], 'indexes': [Index(fields=['organization_id', 'raised_at', 'id']), Index(fields=['organization_id', 'status', 'raised_at', 'id']), Index(fields=['organization_id', 'work_order_id']), Index(fields=['organization_id', 'appointment_id'])], 'pk_attr': 'id', 'table_description': 'Something that needs attention. Of a kind and a subject, one at most is not resolved.'},
            bases=['OwnedTable'],
        ),
        RunDialectSQL(
            sql={'sqlite': ['CREATE INDEX "alert_by_severity" ON "alert" ("organization_id", (CASE "severity" WHEN \'INFO\' THEN 0 WHEN \'WARNING\' THEN 1 WHEN \'CRITICAL\' THEN 2 ELSE 3 END), "id");'], 'postgres': ['CREATE INDEX "alert_by_severity" ON "alert" ("organization_id", (CASE "severity" WHEN \'INFO\' THEN 0 WHEN \'WARNING\' THEN 1 WHEN \'CRITICAL\' THEN 2 ELSE 3 END), "id");']},
            reverse={'sqlite': ['DROP INDEX "alert_by_severity";'], 'postgres': ['DROP INDEX "alert_by_severity";']},
            name='alert_by_severity',
        ),
    ]
