"""What is said to people: alerts about what needs attention, messages between the office, technicians and customers, and
notifications of what happened.

Nouns: Alert, Conversation, Message, Notification. Below: identity (who is told). Above: every room that has something to say. Those rooms call ``commands``; this one
knows nothing of visits, work orders and plans but their ids, which say whom an alert concerns.
"""
