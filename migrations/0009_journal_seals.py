from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0008_messages')]

    operations = [
        ops.CreateModel(
            name='JournalSeal',
            fields=[
                ('organization_id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('seq', fields.BigIntField(default=0)),
                ('hash', fields.CharField(default='', max_length=64)),
                ('archived_seq', fields.BigIntField(default=0)),
                ('archived_hash', fields.CharField(default='', max_length=64)),
            ],
            options={'table': 'journal_seal', 'app': 'truckroll', 'pk_attr': 'organization_id', 'table_description': "How far an organization's facts are sealed, and up to which they are in the archive and no longer in the table."},
            bases=['Model'],
        ),
    ]
