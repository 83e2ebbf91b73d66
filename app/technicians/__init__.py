"""Technicians: who goes out, what they can do, when they work, what they are doing and where they are.

Nouns: Technician, Skill, TechnicianSkill (a skill held at a level until a date), Shift, Absence, Position (the last one).
Below: identity has the technician's user account, company the territories. Above: scheduling assigns visits and moves a
technician's status along with them; the planner reads shifts, absences and skills through ``queries``.
"""
