"""The company itself: who it is, when it is open, what kinds of service it offers, where, and how it numbers things.

Nouns: Organization, BusinessCalendar, Holiday, NumberSeries, ServiceType, Territory.
Neighbors: every higher room asks here for numbers (``commands.next_number``), opening hours (``queries``) and the
defaults of a kind of service. Skills that a service type requires live in the technicians room and are named by id.
"""
