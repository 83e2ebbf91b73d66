"""The demo company's people, customers, equipment and work, deterministic by seed."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from app.company import commands as company
from app.customers import commands as customers
from app.customers.rules import CustomerType, SlaTier
from app.demo.geography import NEIGHBORHOODS, Neighborhood, random_address
from app.equipment import commands as equipment
from app.identity import commands as identity
from app.identity.secret import Secret
from app.identity.set_up import set_up_organization
from app.infrastructure.command import command
from app.kernel.actor import Actor
from app.kernel.calendar import day_bounds, local_day, utc_now
from app.kernel.permissions import Permission, Role
from app.technicians import commands as technicians
from app.technicians.rules import ShiftTimes, SkillGrant
from app.work_orders import commands as work_orders

NAME = "Hudson Office Systems"
ZONE = ZoneInfo("America/New_York")
DOMAIN = "hudson.example"
PASSWORD = "truckroll demo 2026"
TECHNICIANS = 12
CUSTOMERS = 40
WORK_ORDERS = 60
SHIFT_HOURS = 9

SKILLS = {
    "PRINT": "Printers and copiers",
    "DESK": "Desktops and laptops",
    "NET": "Networks and Wi-Fi",
    "SERVER": "Servers and storage",
    "POS": "Point of sale",
    "UPS": "Backup power",
}


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of service, what it needs, and what people say when they ask for it."""

    code: str
    name: str
    skill: str
    level: int
    minutes: int
    device: str
    complaints: tuple[str, ...]


SERVICES = (
    Service("PRINTER-REPAIR", "Printer repair", "PRINT", 2, 45, "Laser printer",
            ("Paper jams in tray 2", "Streaks on every page", "Fuser error after start")),
    Service("COPIER-SERVICE", "Copier service", "PRINT", 3, 75, "Copier",
            ("Copies come out crooked", "Grinding noise from the feeder", "Yearly service is due")),
    Service("DESKTOP-REPAIR", "Desktop repair", "DESK", 1, 50, "Workstation",
            ("Does not start since this morning", "Blue screen several times a day", "Disk is nearly full and slow")),
    Service("LAPTOP-SETUP", "Laptop set-up", "DESK", 1, 40, "Laptop",
            ("Three new laptops to set up", "Docking station does not charge", "Replace a cracked screen")),
    Service("NETWORK-FAULT", "Network fault", "NET", 3, 90, "Switch",
            ("Half of the office is offline", "Wi-Fi drops in the meeting rooms", "Phones lose calls at noon")),
    Service("SERVER-MAINTENANCE", "Server maintenance", "SERVER", 4, 120, "File server",
            ("Disk in the array has failed", "Backup failed three nights in a row", "Fan alarm in the rack")),
    Service("POS-REPAIR", "Till repair", "POS", 2, 45, "Till",
            ("Card reader does not answer", "Receipt printer is mute", "Scanner reads nothing")),
    Service("UPS-CHECK", "Backup power check", "UPS", 2, 60, "Backup power unit",
            ("Battery warning since yesterday", "Beeps every minute", "Yearly battery test")),
)  # fmt: skip

FIRST_NAMES = ("Amara", "Ben", "Carla", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Imani", "Jonas", "Kavya", "Luis",
               "Mei", "Noah", "Olga", "Priya", "Quentin", "Rosa", "Samir", "Tessa")  # fmt: skip
LAST_NAMES = ("Alvarez", "Brooks", "Chen", "Diallo", "Evans", "Fischer", "Garcia", "Haddad", "Ivanov", "Jackson", "Kim",
              "Lopez", "Moreau", "Nguyen", "Okafor", "Patel", "Rossi", "Silva", "Tanaka", "Weiss")  # fmt: skip
BUSINESSES = ("Bakery", "Dental", "Law Group", "Architects", "Pharmacy", "Books", "Logistics", "Design Studio", "Clinic",
              "Hotel", "Coffee Roasters", "Insurance", "Music School", "Print House", "Travel", "Films", "Hardware",
              "Flowers", "Accounting", "Gallery")  # fmt: skip
COLORS = ("#e4572e", "#2e86ab", "#f2a541", "#6a994e", "#a846a0", "#0f8b8d", "#d1495b", "#5f5aa2", "#b08968", "#3d5a80",
          "#c44536", "#588157")  # fmt: skip
PRIORITIES = ("LOW",) * 2 + ("NORMAL",) * 10 + ("HIGH",) * 5 + ("URGENT",) * 2 + ("EMERGENCY",)
OFFICE_ROLES = (
    ("admin", "Ada Lindqvist", Role.ADMINISTRATOR),
    ("manager", "Otis Monroe", Role.OPERATIONS_MANAGER),
    ("dispatcher", "Dina Castillo", Role.DISPATCHER),
    ("parts", "Ivo Santos", Role.INVENTORY_SPECIALIST),
    ("quality", "Quinn Abara", Role.QUALITY_MANAGER),
    ("finance", "Fiona Meyer", Role.FINANCE),
    ("support", "Sunil Rao", Role.SUPPORT),
    ("auditor", "Audra Kim", Role.AUDITOR),
    ("partner", "Pat Novak", Role.PARTNER),
)
CUSTOMER_ROLES = (
    ("account", "Alma Ortiz", Role.ACCOUNT_ADMINISTRATOR),
    ("customer", "Cora Blum", Role.CUSTOMER_USER),
    ("resident", "Remy Dubois", Role.RESIDENTIAL_CUSTOMER),
    ("guest", "Gus Park", Role.GUEST),
)


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who can sign in."""

    email: str
    role: Role


def logins() -> list[Login]:
    """One login for each role of the demo."""
    office = [Login(f"{name}@{DOMAIN}", role) for name, _, role in OFFICE_ROLES]
    outside = [Login(f"{name}@{DOMAIN}", role) for name, _, role in CUSTOMER_ROLES]
    return [*office, Login(technician_email(0), Role.TECHNICIAN), *outside]


def technician_email(number: int) -> str:
    """The login of a technician, counted from 0."""
    return f"tech{number + 1}@{DOMAIN}"


async def found_company() -> str:
    """Make the organization and its administrator; the organization's id."""
    return await set_up_organization(
        name=NAME,
        time_zone=ZONE.key,
        currency="USD",
        country="US",
        administrator_email=f"{OFFICE_ROLES[0][0]}@{DOMAIN}",
        administrator_name=OFFICE_ROLES[0][1],
        password=PASSWORD,
    )


@command(Permission.MANAGE_TECHNICIANS)
async def furnish_company(actor: Actor, seed: int) -> str:
    """Let in people and customers with their equipment and their requests: all in one transaction, or nothing."""
    random = Random(seed)
    skills = {code: await technicians.create_skill(actor, code=code, name=name) for code, name in SKILLS.items()}
    services = {
        service.code: await company.create_service_type(
            actor,
            code=service.code,
            name=service.name,
            duration_minutes=service.minutes,
            required_skills={skills[service.skill]: service.level},
            required_evidence=["NOTE"],
        )
        for service in SERVICES
    }
    for name, legal_name, role in OFFICE_ROLES[1:]:
        await _let_in(actor, name, legal_name, role)
    await _hire_technicians(actor, random, skills)
    sites = await _win_customers(actor, random)
    await _take_requests(actor, random, sites, services)
    return actor.organization_id


async def _let_in(
    actor: Actor,
    name: str,
    legal_name: str,
    role: Role,
    *,
    technician_id: str | None = None,
    customer_id: str | None = None,
) -> str:
    return await identity.create_user(
        actor,
        email=f"{name}@{DOMAIN}",
        legal_name=legal_name,
        roles=[role],
        password=Secret(PASSWORD),
        technician_id=technician_id,
        customer_id=customer_id,
    )


async def _hire_technicians(actor: Actor, random: Random, skills: dict[str, str]) -> None:
    homes = random.sample(NEIGHBORHOODS, TECHNICIANS)
    names = random.sample(FIRST_NAMES, TECHNICIANS)
    codes = list(SKILLS)
    for number, (neighborhood, first) in enumerate(zip(homes, names, strict=True)):
        home = random_address(random, neighborhood)
        name = f"{first} {random.choice(LAST_NAMES)}"
        technician_id = await technicians.create_technician(
            actor,
            name=name,
            home_latitude=home.latitude,
            home_longitude=home.longitude,
            color=COLORS[number],
            speed_factor=1.0,
        )
        # Everybody can mend a desktop; the other skills go round, so that each has at least six who know it.
        known = {"DESK": random.randint(2, 5)}
        for step in range(3):
            known[codes[(number + step * 2) % len(codes)]] = random.randint(3, 5)
        grants = [SkillGrant(skills[code], level) for code, level in known.items()]
        await technicians.set_technician_skills(actor, technician_id, grants)
        await _let_in(actor, f"tech{number + 1}", name, Role.TECHNICIAN, technician_id=technician_id)


@dataclass(frozen=True, slots=True)
class _Site:
    customer_id: str
    site_id: str
    devices: dict[str, str]


async def _win_customers(actor: Actor, random: Random) -> list[_Site]:
    category = {
        service.device: await equipment.create_category(actor, name=service.device, lifespan_months=60)
        for service in SERVICES
    }
    sites: list[_Site] = []
    names: set[str] = set()
    first_customer_id = ""
    while len(names) < CUSTOMERS:
        business = f"{random.choice(LAST_NAMES)} {random.choice(BUSINESSES)}"
        if business in names:
            continue
        names.add(business)
        customer_id = await customers.create_customer(
            actor,
            name=business,
            type=random.choice((CustomerType.SMALL_BUSINESS, CustomerType.SMALL_BUSINESS, CustomerType.ENTERPRISE)),
            email=f"office{len(names)}@customer.example",
            sla_tier=random.choice(list(SlaTier)),
        )
        first_customer_id = first_customer_id or customer_id
        for neighborhood in random.sample(NEIGHBORHOODS, random.choice((1, 1, 1, 2))):
            site = await _open_site(actor, random, customer_id, business, neighborhood, category)
            sites.append(site)
    for name, legal_name, role in CUSTOMER_ROLES:
        await _let_in(actor, name, legal_name, role, customer_id=first_customer_id)
    return sites


async def _open_site(
    actor: Actor, random: Random, customer_id: str, business: str, neighborhood: Neighborhood, category: dict[str, str]
) -> _Site:
    house = random_address(random, neighborhood)
    site_id = await customers.create_site(
        actor,
        customer_id=customer_id,
        name=f"{business}, {neighborhood.name}",
        address_line=house.line,
        city=house.city,
        region=house.region,
        postal_code=house.postal_code,
        country="US",
        latitude=house.latitude,
        longitude=house.longitude,
        access_instructions=f"Ring at the desk; code {random.randrange(1000, 10000)} after six.",
        parking=random.choice(("Loading zone in front", "Garage round the corner", "None: come by foot")),
    )
    devices: dict[str, str] = {}
    for service in random.sample(SERVICES, 4):
        devices[service.device] = await equipment.register_equipment(
            actor,
            customer_id=customer_id,
            site_id=site_id,
            name=service.device,
            category_id=category[service.device],
            serial_number=f"SN{random.randrange(10**9):09}",
            room=random.choice(("Front desk", "Back office", "Server room", "Second floor")),
        )
    return _Site(customer_id, site_id, devices)


async def _take_requests(actor: Actor, random: Random, sites: list[_Site], services: dict[str, str]) -> None:
    for _ in range(WORK_ORDERS):
        await take_request(actor, random, random.choice(sites), services)


async def take_request(actor: Actor, random: Random, site: _Site, services: dict[str, str]) -> str:
    """One request for work on a device of a site."""
    device = random.choice(list(site.devices))
    service = next(one for one in SERVICES if one.device == device)
    work_order_id = await work_orders.create_work_order(
        actor,
        customer_id=site.customer_id,
        site_id=site.site_id,
        equipment_id=site.devices[device],
        service_type_id=services[service.code],
        summary=random.choice(service.complaints),
        category=service.name,
        priority=random.choice(PRIORITIES),
        channel=random.choice(("PHONE", "PORTAL", "EMAIL")),
    )
    await work_orders.triage_work_order(actor, work_order_id)
    return work_order_id


def shifts_around(moment: datetime) -> dict[date, ShiftTimes]:
    """Nine hours that have just begun, by local day: whenever the demo starts, it is a working day.

    A plan is about one day, so a shift that would reach into the next one is two.
    """
    begins = moment.replace(minute=moment.minute // 5 * 5, second=0, microsecond=0)
    ends = begins + timedelta(hours=SHIFT_HOURS)
    midnight = day_bounds(local_day(begins, ZONE), ZONE)[1]
    pieces = [(begins, min(ends, midnight)), (midnight, ends)]
    return {local_day(start, ZONE): _shift(start, end) for start, end in pieces if start < end}


def _shift(begins: datetime, ends: datetime) -> ShiftTimes:
    if ends - begins < timedelta(hours=6):
        return ShiftTimes(begins, ends)
    lunch = begins + timedelta(hours=3)
    return ShiftTimes(begins, ends, 30, lunch, lunch + timedelta(hours=2))


@command(Permission.MANAGE_SCHEDULE)
async def open_shifts(actor: Actor, technician_ids: list[str]) -> None:
    """Put these technicians on duty from now on."""
    for day, times in shifts_around(utc_now()).items():
        for technician_id in technician_ids:
            await technicians.replace_shifts_of_day(actor, technician_id, day, [times])
