"""What clients see of the schedule: appointments, assignments, plan runs and planned visits."""
