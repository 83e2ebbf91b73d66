"""Lines as road servers write them: differences of coordinates, five bits to a character (encoded polylines)."""

from collections.abc import Iterable, Iterator

from app.infrastructure.roads.points import Away

Line = tuple[tuple[float, float], ...]


def decode(text: str, *, digits: int = 6) -> Line:
    """The line as (longitude, latitude), the order of GeoJSON; ``Away`` where the text is cut off or no line."""
    numbers = list(_numbers(text))
    if len(numbers) % 2:
        raise Away("the answer has a line that is cut off")
    latitude = longitude = 0
    line = []
    for north, east in zip(numbers[::2], numbers[1::2], strict=True):
        latitude, longitude = latitude + north, longitude + east
        line.append((round(longitude / 10**digits, digits), round(latitude / 10**digits, digits)))
    return tuple(line)


def encode(line: Iterable[tuple[float, float]], *, digits: int = 6) -> str:
    """The text of a line of (longitude, latitude)."""
    text: list[str] = []
    before = (0, 0)
    for longitude, latitude in line:
        here = (round(latitude * 10**digits), round(longitude * 10**digits))
        for number, last in zip(here, before, strict=True):
            text.extend(_characters(number - last))
        before = here
    return "".join(text)


def _numbers(text: str) -> Iterator[int]:
    number = shift = 0
    for character in text:
        bits = ord(character) - 63
        if not 0 <= bits < 64 or shift > 60:
            raise Away("the answer has a line that is none")
        number |= (bits & 31) << shift
        shift += 5
        if bits < 32:
            yield ~(number >> 1) if number & 1 else number >> 1
            number = shift = 0
    if shift:
        raise Away("the answer has a line that is cut off")


def _characters(number: int) -> Iterator[str]:
    rest = ~(number << 1) if number < 0 else number << 1
    while rest >= 32:
        yield chr((rest & 31 | 32) + 63)
        rest >>= 5
    yield chr(rest + 63)
