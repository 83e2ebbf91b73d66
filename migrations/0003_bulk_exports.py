from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0002_search_documents')]

    operations = [
        ops.CreateModel(
            name='BulkExport',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('document', fields.TextField(unique=False)),
                ('variables', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('root', fields.CharField(max_length=100)),
                ('format', fields.CharField(max_length=16)),
                ('file_name', fields.CharField(max_length=120)),
                ('byte_order_mark', fields.BooleanField(default=False)),
                ('status', fields.CharField(default='QUEUED', max_length=32)),
                ('requested_by', fields.CharField(max_length=40)),
                ('customer_id', fields.CharField(null=True, max_length=40)),
                ('access', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('job_id', fields.CharField(null=True, max_length=40)),
                ('runner', fields.IntField(default=0)),
                ('position', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('cursor', fields.CharField(null=True, max_length=200)),
                ('estimated_rows', fields.IntField(null=True)),
                ('row_count', fields.IntField(default=0)),
                ('line_count', fields.IntField(default=0)),
                ('byte_count', fields.BigIntField(default=0)),
                ('link_secret', fields.CharField(null=True, max_length=64)),
                ('error_code', fields.CharField(null=True, max_length=40)),
                ('error', fields.CharField(null=True, max_length=500)),
                ('started_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('finished_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('expires_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'bulk_export', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'created_at']), Index(fields=['organization_id', 'status']), Index(fields=['status', 'expires_at'])], 'pk_attr': 'id', 'table_description': 'A whole list, written into a file by a job: what was asked, by whom, and how far it is.'},
            bases=['OwnedTable'],
        ),
    ]
