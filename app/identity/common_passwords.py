"""Words and runs that the passwords people choose most are made of, and those passwords that are not; source: the top of
published breach statistics.

Few of the passwords in such lists have 12 characters. Most that have are these words, doubled or padded. The others, and
shorter ones for organizations that allow them, stand in ``common_passwords.txt``, which names where they are from.
"""

from functools import cache
from pathlib import Path

_WORDS = """
    password passwort passw0rd p4ssword pa55word passord motdepasse contrasena senha wachtwoord haslo parola sifre
    qwerty qwertz azerty qwertyuiop qwertyuiopasdfghjkl asdfghjkl asdfgh zxcvbnm zxcvbn qazwsx qazwsxedc qweasdzxc
    qweasd qwe asd zxc qaz wsx edc letmein welcome willkommen bienvenue admin administrator root superuser user guest
    default changeme change test testing tester secret geheim login logon access master hello monkey dragon sunshine
    princess football baseball basketball soccer hockey superman batman spiderman starwars pokemon naruto iloveyou
    loveyou love lovely trustno shadow michael jordan jennifer jessica ashley daniel thomas charlie andrew joshua
    matthew robert anthony nicole hannah michelle maggie ginger pepper killer hunter ranger buster tigger cookie
    cheese banana orange summer winter spring autumn fall january february march april may june july august september
    october november december monday tuesday wednesday thursday friday saturday sunday freedom whatever computer
    internet samsung iphone android google facebook youtube twitter instagram linkedin microsoft windows apple amazon
    liverpool chelsea arsenal barcelona realmadrid manchester mustang ferrari mercedes porsche yamaha harley
    corvette chocolate butterfly flower purple yellow silver golden diamond crystal angel babygirl maverick phoenix
    thunder lightning blink metallica nirvana slipknot eminem matrix zaq xsw cde vfr bgt nhy mju pass word company
    business office service support manager supervisor technician dispatch dispatcher truckroll fieldservice field
    truck roll please enter thisismypassword mypassword yourpassword newpassword nopassword correcthorsebatterystaple
    abc abcd abcde abcdef abcdefg abcdefgh abcdefghijkl aaa the my your our this that is and
"""
COMMON_WORDS = frozenset(_WORDS.split())

RUNS = (
    "0123456789012345678901234567890",
    "1234567890123456789012345678901234567890",
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnmqwertyuiop",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "qazwsxedcrfvtgbyhnujmikolp",
)


@cache
def common_passwords() -> frozenset[str]:
    """The bundled list, in small letters."""
    lines = Path(__file__).with_suffix(".txt").read_text(encoding="ascii").splitlines()
    return frozenset(line.casefold() for line in lines if not line.startswith("#"))
