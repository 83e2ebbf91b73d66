"""What is said to people: alerts about what needs attention, and messages between the office, technicians and customers.

Nouns: Alert, Conversation, Message. Below: identity (who is told). Above: every room that has something to say. Those rooms call ``commands``; this one
knows nothing of visits, work orders and plans but their ids, which say whom an alert concerns.
"""
