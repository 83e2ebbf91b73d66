"""What the company does: the rooms, from the kernel up, and the places where everything meets."""
