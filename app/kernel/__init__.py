"""Pure words everyone uses: actors, permissions, problems, lifecycles, money, calendars, places, ids, pages."""
