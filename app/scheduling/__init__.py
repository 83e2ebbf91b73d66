"""Who goes where, when: what is promised to customers, and the plans that propose it.

An *appointment* is one visit to a site for a work order; an *assignment* gives it to a technician; the *schedule*
is all of them. A *plan run* asks the planner for a better schedule of a day and keeps the answer as *planned visits*,
which change nothing until somebody commits them.

Below: work orders (what is to be done), technicians (skills, shifts, absences, status), customers (sites). Above:
billing and everyone who follows the facts. No other room calls the planner.
"""
