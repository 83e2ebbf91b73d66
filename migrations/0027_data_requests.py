from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0026_approval_limits')]

    operations = [
        ops.CreateModel(
            name='Consent',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('person_id', fields.CharField(max_length=40)),
                ('purpose', fields.CharField(max_length=32)),
                ('text_version', fields.CharField(max_length=80)),
                ('channel', fields.CharField(max_length=32)),
                ('given_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('given_by', fields.CharField(max_length=40)),
                ('withdrawn_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('withdrawn_by', fields.CharField(null=True, max_length=40)),
                ('withdrawn_channel', fields.CharField(null=True, max_length=32)),
            ],
            options={'table': 'consent', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'created_at']), Index(fields=['organization_id', 'person_id', 'purpose', 'given_at'])], 'pk_attr': 'id', 'table_description': 'What a person agreed to, by which text, when and how; and when they took it back. Of a person and a purpose, the newest'},
            bases=['OwnedTable'],
        ),
        ops.CreateModel(
            name='DataRequest',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('kind', fields.CharField(max_length=32)),
                ('status', fields.CharField(default='RECEIVED', max_length=32)),
                ('person_id', fields.CharField(max_length=40)),
                ('reason', fields.CharField(default='', max_length=500)),
                ('requested_by', fields.CharField(max_length=40)),
                ('due_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('decided_by', fields.CharField(null=True, max_length=40)),
                ('decided_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('refusal', fields.CharField(null=True, max_length=500)),
                ('job_id', fields.CharField(null=True, max_length=40)),
                ('called', fields.TextField(default='', unique=False)),
                ('link_secret', fields.CharField(null=True, max_length=64)),
                ('rows', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('error', fields.CharField(null=True, max_length=500)),
                ('finished_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('expires_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'data_request', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'created_at']), Index(fields=['organization_id', 'status', 'due_at']), Index(fields=['organization_id', 'person_id']), Index(fields=['expires_at'])], 'pk_attr': 'id', 'table_description': 'Somebody asked for all that is kept of a person, or for its erasure. ``called`` is what the person is called, while they'},
            bases=['OwnedTable'],
        ),
    ]
