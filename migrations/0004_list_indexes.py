from tortoise import migrations
from tortoise.migrations import operations as ops
from app.database import RunDialectSQL
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0003_bulk_exports')]

    operations = [
        ops.RemoveIndex(
            model_name='Absence',
            name=None,
            fields=['organization_id', 'technician_id', 'starts_at'],
        ),
        ops.RemoveIndex(
            model_name='Absence',
            name=None,
            fields=['organization_id', 'starts_at', 'ends_at'],
        ),
        ops.AddIndex(
            model_name='Absence',
            index=Index(fields=['organization_id', 'starts_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Absence',
            index=Index(fields=['organization_id', 'technician_id', 'starts_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Absence',
            index=Index(fields=['organization_id', 'ends_at', 'id']),
        ),
        ops.RemoveIndex(
            model_name='Appointment',
            name=None,
            fields=['organization_id', 'starts_at'],
        ),
        ops.RemoveIndex(
            model_name='Appointment',
            name=None,
            fields=['organization_id', 'status', 'starts_at'],
        ),
        ops.RemoveIndex(
            model_name='Appointment',
            name=None,
            fields=['organization_id', 'customer_id'],
        ),
        ops.RemoveIndex(
            model_name='Appointment',
            name=None,
            fields=['organization_id', 'site'],
        ),
        ops.AddIndex(
            model_name='Appointment',
            index=Index(fields=['organization_id', 'starts_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Appointment',
            index=Index(fields=['organization_id', 'window_end', 'id']),
        ),
        ops.AddIndex(
            model_name='Appointment',
            index=Index(fields=['organization_id', 'created_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Appointment',
            index=Index(fields=['organization_id', 'updated_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Appointment',
            index=Index(fields=['organization_id', 'status', 'starts_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Appointment',
            index=Index(fields=['organization_id', 'customer_id', 'starts_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Appointment',
            index=Index(fields=['organization_id', 'site', 'starts_at', 'id']),
        ),
        ops.RemoveIndex(
            model_name='Assignment',
            name=None,
            fields=['organization_id', 'technician', 'starts_at'],
        ),
        ops.RemoveIndex(
            model_name='Assignment',
            name=None,
            fields=['organization_id', 'starts_at'],
        ),
        ops.AddIndex(
            model_name='Assignment',
            index=Index(fields=['organization_id', 'starts_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Assignment',
            index=Index(fields=['organization_id', 'created_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Assignment',
            index=Index(fields=['organization_id', 'technician', 'starts_at', 'id']),
        ),
        ops.RemoveIndex(
            model_name='Contact',
            name=None,
            fields=['organization_id', 'customer_id', 'name'],
        ),
        ops.RemoveIndex(
            model_name='Contact',
            name=None,
            fields=['organization_id', 'name'],
        ),
        ops.AddIndex(
            model_name='Contact',
            index=Index(fields=['organization_id', 'name', 'id']),
        ),
        ops.AddIndex(
            model_name='Contact',
            index=Index(fields=['organization_id', 'created_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Contact',
            index=Index(fields=['organization_id', 'customer_id', 'name', 'id']),
        ),
        ops.RemoveIndex(
            model_name='Customer',
            name=None,
            fields=['organization_id', 'name'],
        ),
        ops.RemoveIndex(
            model_name='Customer',
            name=None,
            fields=['organization_id', 'status', 'name'],
        ),
        ops.RemoveIndex(
            model_name='Customer',
            name=None,
            fields=['organization_id', 'account_manager_id'],
        ),
        ops.RemoveIndex(
            model_name='Customer',
            name=None,
            fields=['organization_id', 'created_at'],
        ),
        ops.AddIndex(
            model_name='Customer',
            index=Index(fields=['organization_id', 'name', 'id']),
        ),
        ops.AddIndex(
            model_name='Customer',
            index=Index(fields=['organization_id', 'created_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Customer',
            index=Index(fields=['organization_id', 'updated_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Customer',
            index=Index(fields=['organization_id', 'status', 'name', 'id']),
        ),
        ops.AddIndex(
            model_name='Customer',
            index=Index(fields=['organization_id', 'account_manager_id', 'name', 'id']),
        ),
        ops.RemoveIndex(
            model_name='Equipment',
            name=None,
            fields=['organization_id', 'name'],
        ),
        ops.RemoveIndex(
            model_name='Equipment',
            name=None,
            fields=['organization_id', 'customer_id', 'name'],
        ),
        ops.RemoveIndex(
            model_name='Equipment',
            name=None,
            fields=['organization_id', 'site_id', 'name'],
        ),
        ops.RemoveIndex(
            model_name='Equipment',
            name=None,
            fields=['organization_id', 'model_id'],
        ),
        ops.RemoveIndex(
            model_name='Equipment',
            name=None,
            fields=['organization_id', 'category_id'],
        ),
        ops.RemoveIndex(
            model_name='Equipment',
            name=None,
            fields=['organization_id', 'serial_number'],
        ),
        ops.RemoveIndex(
            model_name='Equipment',
            name=None,
            fields=['organization_id', 'status', 'name'],
        ),
        ops.AddIndex(
            model_name='Equipment',
            index=Index(fields=['organization_id', 'name', 'id']),
        ),
        ops.AddIndex(
            model_name='Equipment',
            index=Index(fields=['organization_id', 'serial_number', 'id']),
        ),
        ops.AddIndex(
            model_name='Equipment',
            index=Index(fields=['organization_id', 'room', 'id']),
        ),
        ops.AddIndex(
            model_name='Equipment',
            index=Index(fields=['organization_id', 'installed_on', 'id']),
        ),
        ops.AddIndex(
            model_name='Equipment',
            index=Index(fields=['organization_id', 'created_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Equipment',
            index=Index(fields=['organization_id', 'updated_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Equipment',
            index=Index(fields=['organization_id', 'status', 'name', 'id']),
        ),
        ops.AddIndex(
            model_name='Equipment',
            index=Index(fields=['organization_id', 'customer_id', 'name', 'id']),
        ),
        ops.AddIndex(
            model_name='Equipment',
            index=Index(fields=['organization_id', 'site_id', 'name', 'id']),
        ),
        ops.AddIndex(
            model_name='Equipment',
            index=Index(fields=['organization_id', 'model_id', 'name', 'id']),
        ),
        ops.AddIndex(
            model_name='Equipment',
            index=Index(fields=['organization_id', 'category_id', 'name', 'id']),
        ),
        ops.RemoveIndex(
            model_name='Shift',
            name=None,
            fields=['organization_id', 'technician_id', 'starts_at'],
        ),
        ops.RemoveIndex(
            model_name='Shift',
            name=None,
            fields=['organization_id', 'starts_at', 'ends_at'],
        ),
        ops.AddIndex(
            model_name='Shift',
            index=Index(fields=['organization_id', 'starts_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Shift',
            index=Index(fields=['organization_id', 'technician_id', 'starts_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Shift',
            index=Index(fields=['organization_id', 'ends_at', 'id']),
        ),
        ops.RemoveIndex(
            model_name='Site',
            name=None,
            fields=['organization_id', 'customer_id', 'name'],
        ),
        ops.RemoveIndex(
            model_name='Site',
            name=None,
            fields=['organization_id', 'name'],
        ),
        ops.RemoveIndex(
            model_name='Site',
            name=None,
            fields=['organization_id', 'territory_id', 'name'],
        ),
        ops.AddIndex(
            model_name='Site',
            index=Index(fields=['organization_id', 'name', 'id']),
        ),
        ops.AddIndex(
            model_name='Site',
            index=Index(fields=['organization_id', 'city', 'id']),
        ),
        ops.AddIndex(
            model_name='Site',
            index=Index(fields=['organization_id', 'postal_code', 'id']),
        ),
        ops.AddIndex(
            model_name='Site',
            index=Index(fields=['organization_id', 'created_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Site',
            index=Index(fields=['organization_id', 'updated_at', 'id']),
        ),
        ops.AddIndex(
            model_name='Site',
            index=Index(fields=['organization_id', 'customer_id', 'name', 'id']),
        ),
        ops.AddIndex(
            model_name='Site',
            index=Index(fields=['organization_id', 'territory_id', 'name', 'id']),
        ),
        ops.RemoveIndex(
            model_name='WorkOrder',
            name=None,
            fields=['organization_id', 'status', 'submitted_at'],
        ),
        ops.RemoveIndex(
            model_name='WorkOrder',
            name=None,
            fields=['organization_id', 'submitted_at'],
        ),
        ops.RemoveIndex(
            model_name='WorkOrder',
            name=None,
            fields=['organization_id', 'due_at'],
        ),
        ops.RemoveIndex(
            model_name='WorkOrder',
            name=None,
            fields=['organization_id', 'customer_id', 'submitted_at'],
        ),
        ops.RemoveIndex(
            model_name='WorkOrder',
            name=None,
            fields=['organization_id', 'site_id'],
        ),
        ops.RemoveIndex(
            model_name='WorkOrder',
            name=None,
            fields=['organization_id', 'equipment_id'],
        ),
        ops.RemoveIndex(
            model_name='WorkOrder',
            name=None,
            fields=['organization_id', 'service_type_id'],
        ),
        ops.AddIndex(
            model_name='WorkOrder',
            index=Index(fields=['organization_id', 'submitted_at', 'id']),
        ),
        ops.AddIndex(
            model_name='WorkOrder',
            index=Index(fields=['organization_id', 'due_at', 'id']),
        ),
        ops.AddIndex(
            model_name='WorkOrder',
            index=Index(fields=['organization_id', 'completed_at', 'id']),
        ),
        ops.AddIndex(
            model_name='WorkOrder',
            index=Index(fields=['organization_id', 'updated_at', 'id']),
        ),
        ops.AddIndex(
            model_name='WorkOrder',
            index=Index(fields=['organization_id', 'status', 'submitted_at', 'id']),
        ),
        ops.AddIndex(
            model_name='WorkOrder',
            index=Index(fields=['organization_id', 'status', 'due_at', 'id']),
        ),
        ops.AddIndex(
            model_name='WorkOrder',
            index=Index(fields=['organization_id', 'customer_id', 'submitted_at', 'id']),
        ),
        ops.AddIndex(
            model_name='WorkOrder',
            index=Index(fields=['organization_id', 'site_id', 'submitted_at', 'id']),
        ),
        ops.AddIndex(
            model_name='WorkOrder',
            index=Index(fields=['organization_id', 'equipment_id', 'submitted_at', 'id']),
        ),
        ops.AddIndex(
            model_name='WorkOrder',
            index=Index(fields=['organization_id', 'service_type_id', 'submitted_at', 'id']),
        ),
        RunDialectSQL(
            sql={'sqlite': ['CREATE INDEX "customer_by_sla_tier" ON "customer" ("organization_id", (CASE "sla_tier" WHEN \'STANDARD\' THEN 0 WHEN \'SILVER\' THEN 1 WHEN \'GOLD\' THEN 2 WHEN \'PLATINUM\' THEN 3 ELSE 4 END), "id");'], 'postgres': ['CREATE INDEX "customer_by_sla_tier" ON "customer" ("organization_id", (CASE "sla_tier" WHEN \'STANDARD\' THEN 0 WHEN \'SILVER\' THEN 1 WHEN \'GOLD\' THEN 2 WHEN \'PLATINUM\' THEN 3 ELSE 4 END), "id");']},
            reverse={'sqlite': ['DROP INDEX "customer_by_sla_tier";'], 'postgres': ['DROP INDEX "customer_by_sla_tier";']},
            name='customer_by_sla_tier',
        ),
        RunDialectSQL(
            sql={'sqlite': ['CREATE INDEX "equipment_by_status" ON "equipment" ("organization_id", (CASE "status" WHEN \'DOWN\' THEN 0 WHEN \'DEGRADED\' THEN 1 WHEN \'OPERATIONAL\' THEN 2 WHEN \'RETIRED\' THEN 3 ELSE 4 END), "id");'], 'postgres': ['CREATE INDEX "equipment_by_status" ON "equipment" ("organization_id", (CASE "status" WHEN \'DOWN\' THEN 0 WHEN \'DEGRADED\' THEN 1 WHEN \'OPERATIONAL\' THEN 2 WHEN \'RETIRED\' THEN 3 ELSE 4 END), "id");']},
            reverse={'sqlite': ['DROP INDEX "equipment_by_status";'], 'postgres': ['DROP INDEX "equipment_by_status";']},
            name='equipment_by_status',
        ),
        RunDialectSQL(
            sql={'sqlite': ['CREATE INDEX "work_order_by_priority" ON "work_order" ("organization_id", (CASE "priority" WHEN \'LOW\' THEN 0 WHEN \'NORMAL\' THEN 1 WHEN \'HIGH\' THEN 2 WHEN \'URGENT\' THEN 3 WHEN \'EMERGENCY\' THEN 4 ELSE 5 END), "id");'], 'postgres': ['CREATE INDEX "work_order_by_priority" ON "work_order" ("organization_id", (CASE "priority" WHEN \'LOW\' THEN 0 WHEN \'NORMAL\' THEN 1 WHEN \'HIGH\' THEN 2 WHEN \'URGENT\' THEN 3 WHEN \'EMERGENCY\' THEN 4 ELSE 5 END), "id");']},
            reverse={'sqlite': ['DROP INDEX "work_order_by_priority";'], 'postgres': ['DROP INDEX "work_order_by_priority";']},
            name='work_order_by_priority',
        ),
        RunDialectSQL(
            sql={'sqlite': ['CREATE INDEX "work_order_by_status" ON "work_order" ("organization_id", (CASE "status" WHEN \'SUBMITTED\' THEN 0 WHEN \'TRIAGED\' THEN 1 WHEN \'SCHEDULED\' THEN 2 WHEN \'IN_PROGRESS\' THEN 3 WHEN \'ON_HOLD\' THEN 4 WHEN \'COMPLETED\' THEN 5 WHEN \'APPROVED\' THEN 6 WHEN \'CLOSED\' THEN 7 WHEN \'CANNOT_COMPLETE\' THEN 8 WHEN \'CANCELED\' THEN 9 WHEN \'DECLINED\' THEN 10 ELSE 11 END), "id");'], 'postgres': ['CREATE INDEX "work_order_by_status" ON "work_order" ("organization_id", (CASE "status" WHEN \'SUBMITTED\' THEN 0 WHEN \'TRIAGED\' THEN 1 WHEN \'SCHEDULED\' THEN 2 WHEN \'IN_PROGRESS\' THEN 3 WHEN \'ON_HOLD\' THEN 4 WHEN \'COMPLETED\' THEN 5 WHEN \'APPROVED\' THEN 6 WHEN \'CLOSED\' THEN 7 WHEN \'CANNOT_COMPLETE\' THEN 8 WHEN \'CANCELED\' THEN 9 WHEN \'DECLINED\' THEN 10 ELSE 11 END), "id");']},
            reverse={'sqlite': ['DROP INDEX "work_order_by_status";'], 'postgres': ['DROP INDEX "work_order_by_status";']},
            name='work_order_by_status',
        ),
    ]
