"""What all rooms' types and operations are made of."""
