"""Technicians: who goes out, what they can do, when they work, what they are doing and where they are.

Nouns: Technician, Skill, TechnicianSkill (a skill held at a level until a date), Shift, Absence, Duty (a time on duty),
Position (the last one), PositionSample (one of few that are kept for some days).

Positions are not facts: the journal keeps for ever and tells everybody in order, and of a position only the newest counts,
to those who look now. So a command that takes one records nothing; after its commit it wakes whoever waits for the topic
``positions``.

Below: identity has the technician's user account, company the territories. Above: scheduling assigns visits and moves a
technician's status along with them; the planner reads shifts, absences and skills through ``queries``.
"""
