"""Work orders: what is to be done for a customer, from the request to the closed, approved job.

Nouns: WorkOrder, LineItem, Note, TimeEntry; queues are named conditions on work orders.
Below it: company (numbers, service types), customers (who and where), technicians, equipment. Above it: scheduling decides
*when* and *who*, and tells what its visits came to through ``commands.follow_appointments``; billing takes approved work.
"""
