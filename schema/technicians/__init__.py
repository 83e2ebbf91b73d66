"""Technicians, skills, shifts, absences and positions as clients see them."""
