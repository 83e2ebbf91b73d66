from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0007_alerts')]

    operations = [
        ops.CreateModel(
            name='Conversation',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('about_id', fields.CharField(max_length=40)),
                ('work_order_id', fields.CharField(null=True, max_length=40)),
                ('customer_id', fields.CharField(null=True, max_length=40)),
                ('technician_id', fields.CharField(null=True, max_length=40)),
                ('message_count', fields.IntField(default=0)),
                ('last_message_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('last_public_message_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'conversation', 'app': 'truckroll', 'unique_together': (('organization_id', 'about_id'),), 'indexes': [Index(fields=['organization_id', 'created_at', 'id']), Index(fields=['organization_id', 'last_message_at', 'id']), Index(fields=['organization_id', 'customer_id', 'last_public_message_at', 'id']), Index(fields=['organization_id', 'work_order_id']), Index(fields=['organization_id', 'technician_id'])], 'pk_attr': 'id', 'table_description': "What is written about a work order, with a customer's account, or with a technician: one conversation of each."},
            bases=['OwnedTable'],
        ),
        ops.CreateModel(
            name='ConversationReader',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('conversation', fields.ForeignKeyField('truckroll.Conversation', source_field='conversation_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('user_id', fields.CharField(max_length=40)),
                ('read_number', fields.IntField(default=0)),
            ],
            options={'table': 'conversation_reader', 'app': 'truckroll', 'unique_together': (('conversation', 'user_id'),), 'pk_attr': 'id', 'table_description': 'How far somebody has read a conversation: up to the message of that number.'},
            bases=['OwnedTable'],
        ),
        ops.CreateModel(
            name='Message',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('conversation', fields.ForeignKeyField('truckroll.Conversation', source_field='conversation_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('number', fields.IntField()),
                ('work_order_id', fields.CharField(null=True, max_length=40)),
                ('customer_id', fields.CharField(null=True, max_length=40)),
                ('author_kind', fields.CharField(max_length=32)),
                ('author_id', fields.CharField(max_length=40)),
                ('author_name', fields.CharField(max_length=200)),
                ('visibility', fields.CharField(max_length=32)),
                ('text', fields.TextField(unique=False)),
                ('sent_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'message', 'app': 'truckroll', 'unique_together': (('conversation', 'number'),), 'indexes': [Index(fields=['organization_id', 'sent_at', 'id']), Index(fields=['organization_id', 'conversation', 'sent_at']), Index(fields=['organization_id', 'work_order_id', 'sent_at'])], 'pk_attr': 'id', 'table_description': 'Something written in a conversation. It stays as it was written.'},
            bases=['OwnedTable'],
        ),
    ]
