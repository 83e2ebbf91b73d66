from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0011_notifications')]

    operations = [
        ops.CreateModel(
            name='VisitShare',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('appointment', fields.ForeignKeyField('truckroll.Appointment', source_field='appointment_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('customer_id', fields.CharField(max_length=40)),
                ('secret_hash', fields.CharField(unique=True, max_length=64)),
                ('created_by', fields.CharField(max_length=40)),
                ('revoked_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'visit_share', 'app': 'truckroll', 'indexes': [Index(fields=['appointment', 'created_at'])], 'pk_attr': 'id', 'table_description': 'A link that shows one visit to whoever has it. Only a hash of its secret is kept.'},
            bases=['OwnedTable'],
        ),
    ]
