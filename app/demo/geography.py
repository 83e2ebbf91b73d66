"""Where the demo happens: neighbourhoods of New York City with streets that are there. Coordinates in degrees, WGS 84.

Source: the centres of the city's neighbourhoods and names of its streets, as any map of the city shows them; the houses
are invented within a few hundred metres.
"""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Neighborhood:
    """A neighbourhood, its middle and some of its streets."""

    name: str
    borough: str
    postal_code: str
    latitude: float
    longitude: float
    streets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """A house in the city."""

    line: str
    city: str
    region: str
    postal_code: str
    latitude: float
    longitude: float


NEIGHBORHOODS = (
    Neighborhood("Financial District", "Manhattan", "10004", 40.7075, -74.0113, ("Broad Street", "Water Street", "Pine Street")),
    Neighborhood("Tribeca", "Manhattan", "10013", 40.7163, -74.0086, ("Hudson Street", "Franklin Street", "Leonard Street")),
    Neighborhood("Chelsea", "Manhattan", "10011", 40.7465, -74.0014, ("West 20th Street", "Eighth Avenue", "West 23rd Street")),
    Neighborhood("Midtown", "Manhattan", "10018", 40.7549, -73.9840, ("West 38th Street", "Seventh Avenue", "West 45th Street")),
    Neighborhood("Murray Hill", "Manhattan", "10016", 40.7479, -73.9757, ("East 34th Street", "Lexington Avenue", "Park Avenue")),
    Neighborhood("Upper West Side", "Manhattan", "10024", 40.7870, -73.9754, ("Columbus Avenue", "West 84th Street", "Broadway")),
    Neighborhood("Upper East Side", "Manhattan", "10021", 40.7736, -73.9566, ("Third Avenue", "East 79th Street", "York Avenue")),
    Neighborhood("Harlem", "Manhattan", "10027", 40.8116, -73.9465, ("West 125th Street", "Lenox Avenue", "St. Nicholas Avenue")),
    Neighborhood("Mott Haven", "Bronx", "10454", 40.8091, -73.9229, ("Willis Avenue", "East 138th Street", "Bruckner Boulevard")),
    Neighborhood("Fordham", "Bronx", "10458", 40.8615, -73.8905, ("East Fordham Road", "Webster Avenue", "Grand Concourse")),
    Neighborhood("Long Island City", "Queens", "11101", 40.7447, -73.9485, ("Jackson Avenue", "Vernon Boulevard", "44th Drive")),
    Neighborhood("Astoria", "Queens", "11103", 40.7644, -73.9235, ("Steinway Street", "30th Avenue", "Ditmars Boulevard")),
    Neighborhood("Flushing", "Queens", "11354", 40.7674, -73.8330, ("Main Street", "Northern Boulevard", "Roosevelt Avenue")),
    Neighborhood("Forest Hills", "Queens", "11375", 40.7181, -73.8448, ("Austin Street", "Queens Boulevard", "Metropolitan Avenue")),
    Neighborhood("Jamaica", "Queens", "11432", 40.7027, -73.7890, ("Jamaica Avenue", "Hillside Avenue", "Parsons Boulevard")),
    Neighborhood("Williamsburg", "Brooklyn", "11211", 40.7081, -73.9571, ("Bedford Avenue", "Grand Street", "Metropolitan Avenue")),
    Neighborhood("Downtown Brooklyn", "Brooklyn", "11201", 40.6930, -73.9866, ("Fulton Street", "Jay Street", "Livingston Street")),
    Neighborhood("Park Slope", "Brooklyn", "11215", 40.6710, -73.9814, ("Fifth Avenue", "Union Street", "Seventh Avenue")),
    Neighborhood("Bushwick", "Brooklyn", "11237", 40.6944, -73.9213, ("Myrtle Avenue", "Knickerbocker Avenue", "Wyckoff Avenue")),
    Neighborhood("Sunset Park", "Brooklyn", "11220", 40.6455, -74.0124, ("Fourth Avenue", "Eighth Avenue", "39th Street")),
    Neighborhood("Flatbush", "Brooklyn", "11226", 40.6409, -73.9624, ("Flatbush Avenue", "Church Avenue", "Ocean Avenue")),
    Neighborhood("Bay Ridge", "Brooklyn", "11209", 40.6262, -74.0327, ("Third Avenue", "86th Street", "Fort Hamilton Parkway")),
)  # fmt: skip

SPREAD_DEGREES = 0.0045


def random_address(random: Random, neighborhood: Neighborhood) -> Address:
    """A house somewhere in a neighbourhood."""
    return Address(
        line=f"{random.randrange(2, 980)} {random.choice(neighborhood.streets)}",
        city="New York" if neighborhood.borough == "Manhattan" else neighborhood.borough,
        region="NY",
        postal_code=neighborhood.postal_code,
        latitude=round(neighborhood.latitude + random.uniform(-SPREAD_DEGREES, SPREAD_DEGREES), 6),
        longitude=round(neighborhood.longitude + random.uniform(-SPREAD_DEGREES, SPREAD_DEGREES), 6),
    )
