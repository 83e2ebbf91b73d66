"""The demo company: Hudson Office Systems of New York City, made anew from a seed, with technicians that drive and work.

Everything is done by the same commands and the same API that a real company uses; nothing here knows a table.
"""
