"""Equipment: what customers have that we look after.

Nouns: Category (what kind of thing, a tree), EquipmentModel (what a maker calls it), Equipment (the one that stands there).
Below: customers own it and have the sites it stands on. Above: work orders name it, agreements and warranties cover it.
"""
