/* Ruin and recreate: strings of neighbouring visits are taken out and put back where they are cheapest.

   SISR of Christiaens and Vanden Berghe (2020) over the full model. A route is judged as in timing.py: forward, the
   earliest end of each stop after so many breaks; backward, the latest minute at which one may stand ready there.
   Where times cost something (lateness, overtime, what was published) a route with the visit in it is driven in
   thought, but only if its travel alone would be better than the best place so far. Linked visits (crews, sequences)
   hand each other lower bounds of their starts, from route to route, until nothing moves.

   The same tables, seed and number of iterations give the same routes. Columns, `Tables` and `State` are declared by
   native.py from tables.py, which says what they mean; nothing here allocates memory. */

#define SLOT(s, c) (t->slots[(int64_t)(s) * SLOT_COLUMNS + (c)])
#define VISITS(v, c) (t->visits[(int64_t)(v) * VISIT_COLUMNS + (c)])
#define VEHICLE(r, c) (t->vehicles[(int64_t)(r) * VEHICLE_COLUMNS + (c)])
#define FIT(e, s, c) (t->fits[((int64_t)(e) * SIZE(SLOTS) + (s)) * FIT_COLUMNS + (c)])
#define ROAD(a, p, i, j) (t->a[((int64_t)(p) * SIZE(PLACES) + (i)) * SIZE(PLACES) + (j)])
#define SIZE(name) (t->sizes[SIZE_##name])
#define ARC(a, c) (t->arcs[(int64_t)(a) * ARC_COLUMNS + (c)])
#define STOP(r, k) (w->routes[(int64_t)(r) * SIZE(WIDTH) + (k)])
#define FACT(r, c) (w->facts[(int64_t)(r) * FACT_COLUMNS + (c)])
#define TIME(a, r, k, b) (w->a[((int64_t)(r) * SIZE(WIDTH) + (k)) * SIZE(LEVELS) + (b)])
#define PLACES(r, k) (w->places[(int64_t)(r) * SIZE(WIDTH) + (k)])
#define LEGS(r, k) (w->legs[(int64_t)(r) * SIZE(WIDTH) + (k)])
#define WHERE(s, c) (w->where[(int64_t)(s) * WHERE_COLUMNS + (c)])
#define USED(e, q) (w->used[(int64_t)(e) * SIZE(PARTS) + (q)])
#define SAVED(a, l, r, k) (w->a[((int64_t)(l) * SIZE(VEHICLES) + (r)) * SIZE(WIDTH) + (k)])

typedef const Tables *T;
typedef State *W;

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- chance */

static inline uint64_t random_bits(W w) { /* xorshift64*; the same on every machine */
    uint64_t value = (uint64_t)w->random[0];
    value ^= value >> 12;
    value ^= value << 25;
    value ^= value >> 27;
    w->random[0] = (int64_t)value;
    return value * UINT64_C(2685821657736338717);
}

static inline double chance(W w) { return (double)(random_bits(w) >> 11) * (1.0 / 9007199254740992.0); }

static inline int64_t below(W w, int64_t bound) { return (int64_t)((random_bits(w) >> 33) % (uint64_t)bound); }

/* ---- time */

#define PACE(p, k, c) (t->paces[((int64_t)(p) * SIZE(PACES) + (k)) * 3 + (c)])

static inline int64_t floor_divided(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* P(t) of matrix.py: the road done from the start of the first segment until this minute. */
static int64_t road_done_by(T t, int64_t profile, int64_t minute) {
    int64_t k = t->pace_counts[profile] - 1;
    while (k >= 0 && PACE(profile, k, PACE_MINUTE) > minute) k--;
    if (k < 0) return (minute - PACE(profile, 0, PACE_MINUTE)) * FREE_PROGRESS;
    return PACE(profile, k, PACE_DONE) + (minute - PACE(profile, k, PACE_MINUTE)) * PACE(profile, k, PACE_PROGRESS);
}

static int64_t paced_arrival(T t, int64_t profile, int64_t departure, int64_t minutes) {
    int64_t goal = road_done_by(t, profile, departure) + minutes * FREE_PROGRESS, k = t->pace_counts[profile] - 1;
    while (k >= 0 && PACE(profile, k, PACE_DONE) >= goal) k--;
    if (k < 0) return PACE(profile, 0, PACE_MINUTE) - floor_divided(-goal, FREE_PROGRESS);
    return PACE(profile, k, PACE_MINUTE) - floor_divided(PACE(profile, k, PACE_DONE) - goal, PACE(profile, k, PACE_PROGRESS));
}

static int64_t paced_departure(T t, int64_t profile, int64_t arrival, int64_t minutes) {
    int64_t goal = road_done_by(t, profile, arrival) - minutes * FREE_PROGRESS, k = t->pace_counts[profile] - 1;
    while (k >= 0 && PACE(profile, k, PACE_DONE) > goal) k--;
    if (k < 0) return PACE(profile, 0, PACE_MINUTE) + floor_divided(goal, FREE_PROGRESS);
    return PACE(profile, k, PACE_MINUTE) + floor_divided(goal - PACE(profile, k, PACE_DONE), PACE(profile, k, PACE_PROGRESS));
}

/* Minutes of the leg that leaves then. */
static inline int64_t drive(T t, int64_t profile, int64_t origin, int64_t destination, int64_t departure) {
    int64_t minutes = ROAD(minutes, profile, origin, destination);
    return t->pace_counts[profile] ? paced_arrival(t, profile, departure, minutes) - departure : minutes;
}

/* The latest departure that stands there by `ready`. */
static inline int64_t leave_by(T t, int64_t profile, int64_t origin, int64_t destination, int64_t ready) {
    int64_t minutes = ROAD(minutes, profile, origin, destination);
    return t->pace_counts[profile] ? paced_departure(t, profile, ready, minutes) : ready - minutes;
}

static inline int64_t cents_of(T t, int64_t r, int64_t minutes, int64_t metres) {
    return minutes * VEHICLE(r, MINUTE_CENTS) + (int64_t)((uint64_t)(metres * VEHICLE(r, KILOMETRE_CENTS) + 500) / 1000u);
}

/* The price of a leg at its ordinary time; a table where there are few kinds of prices. */
static inline int64_t leg_cents(T t, int64_t r, int64_t origin, int64_t destination) {
    if (destination < 0) return 0;
    if (VEHICLE(r, PRICES) >= 0) return ROAD(cents, VEHICLE(r, PRICES), origin, destination);
    int64_t profile = VEHICLE(r, PROFILE);
    return cents_of(t, r, ROAD(minutes, profile, origin, destination), ROAD(metres, profile, origin, destination));
}

#define BREAK(k, c) (t->breaks[(int64_t)(k) * 3 + (c)])

/* When one stands ready after the leg and breaks `first` to `last` (excluded); LATE if one is missed. */
static inline int64_t ready_after(T t, int64_t r, int64_t departure, int64_t minutes, int64_t first, int64_t last) {
    int64_t ready = departure + minutes, clock = departure, base = VEHICLE(r, BREAKS_FROM);
    for (int64_t k = base + first; k < base + last; k++) {
        clock = most(clock, BREAK(k, 0));
        if (clock > BREAK(k, 1)) return LATE;
        clock += BREAK(k, 2);
        ready = most(ready, BREAK(k, 0)) + BREAK(k, 2);
    }
    return ready;
}

/* The inverse; -LATE when no departure will do. No destination: no leg. */
static int64_t departure_before(T t, int64_t r, int64_t profile, int64_t origin, int64_t destination, int64_t ready,
                                int64_t first, int64_t last) {
    int64_t bound = LATE, base = VEHICLE(r, BREAKS_FROM);
    for (int64_t k = base + last - 1; k >= base + first; k--) {
        ready -= BREAK(k, 2);
        bound = least(BREAK(k, 1), bound - BREAK(k, 2));
        if (ready < BREAK(k, 0) || bound < BREAK(k, 0)) return -LATE;
    }
    if (destination >= 0) ready = leave_by(t, profile, origin, destination, ready);
    return least(ready, bound);
}

#define HOLE(k, c) (t->holes[(int64_t)(k) * 2 + (c)])

/* The first allowed start from `minute` on; LATE for none. */
static inline int64_t first_start(T t, int64_t technician, int64_t slot, int64_t minute) {
    if (minute < FIT(technician, slot, EARLIEST)) return FIT(technician, slot, EARLIEST);
    if (minute > FIT(technician, slot, LATEST)) return LATE;
    int64_t set = FIT(technician, slot, HOLES);
    if (set < 0) return minute;
    for (int64_t k = t->holes_from[set]; k < t->holes_from[set + 1]; k++)
        if (minute <= HOLE(k, 1)) return most(minute, HOLE(k, 0));
    return LATE;
}

static inline int64_t last_start(T t, int64_t technician, int64_t slot, int64_t minute) {
    if (minute < FIT(technician, slot, EARLIEST)) return -LATE;
    int64_t set = FIT(technician, slot, HOLES);
    if (set < 0) return least(minute, FIT(technician, slot, LATEST));
    for (int64_t k = t->holes_from[set + 1] - 1; k >= t->holes_from[set]; k--)
        if (minute >= HOLE(k, 0)) return least(minute, HOLE(k, 1));
    return -LATE;
}

static int64_t latest_return(T t, int64_t r, int64_t taken) {
    return least(VEHICLE(r, LAST), departure_before(t, r, 0, 0, -1, LATE, taken, VEHICLE(r, BREAKS)));
}

/* Of a shift without breaks, on roads that are the same at every hour. */
static void refresh_plain(T t, W w, int64_t r) {
    int64_t technician = VEHICLE(r, TECHNICIAN), profile = VEHICLE(r, PROFILE), prices = VEHICLE(r, PRICES);
    int64_t count = FACT(r, COUNT), levels = SIZE(LEVELS), size = SIZE(PLACES), here = VEHICLE(r, START_PLACE);
    int64_t end_place = VEHICLE(r, END_PLACE), clock = VEHICLE(r, FIRST);
    const int32_t *stops = &STOP(r, 0), *minutes = &ROAD(minutes, profile, 0, 0);
    const int32_t *cents = prices < 0 ? 0 : &ROAD(cents, prices, 0, 0);
    int32_t *places = &PLACES(r, 0), *legs = &LEGS(r, 0);
    int32_t *forward = &TIME(forward, r, 0, 0), *backward = &TIME(backward, r, 0, 0);
    for (int64_t k = 0; k <= count + 1; k++)
        for (int64_t b = 1; b < levels; b++) forward[k * levels + b] = LATE, backward[k * levels + b] = -LATE;
    forward[0] = (int32_t)clock, places[0] = (int32_t)here;
    for (int64_t k = 1; k <= count; k++) {
        int64_t slot = stops[k], there = WHERE(slot, STANDS);
        int64_t start = first_start(t, technician, slot, most(clock + minutes[here * size + there], WHERE(slot, BOUND)));
        clock = clock < LATE && start < LATE ? start + FIT(technician, slot, MINUTES) : LATE;
        forward[k * levels] = (int32_t)clock, places[k] = (int32_t)there;
        legs[k] = (int32_t)least(cents ? cents[here * size + there] : leg_cents(t, r, here, there), LATE);
        here = there;
    }
    places[count + 1] = (int32_t)end_place;
    legs[count + 1] = (int32_t)(count ? least(leg_cents(t, r, here, end_place), LATE) : 0);
    int64_t ready = VEHICLE(r, LAST), there = end_place;
    backward[(count + 1) * levels] = (int32_t)ready;
    for (int64_t k = count; k >= 1; k--) {
        int64_t slot = stops[k];
        if (ready > -LATE) {
            if (there >= 0) ready -= minutes[places[k] * size + there];
            ready = last_start(t, technician, slot, ready - FIT(technician, slot, MINUTES));
        }
        backward[k * levels] = (int32_t)ready;
        there = places[k];
    }
}

/* The earliest ends and latest starts of the route's stops. */
static void refresh_times(T t, W w, int64_t r) {
    w->is_stale[r] = 0;
    if (!VEHICLE(r, BREAKS) && !t->pace_counts[VEHICLE(r, PROFILE)]) {
        refresh_plain(t, w, r);
        return;
    }
    int64_t technician = VEHICLE(r, TECHNICIAN), profile = VEHICLE(r, PROFILE), breaks = VEHICLE(r, BREAKS);
    int64_t count = FACT(r, COUNT), here = VEHICLE(r, START_PLACE);
    TIME(forward, r, 0, 0) = (int32_t)VEHICLE(r, FIRST);
    for (int64_t b = 1; b < SIZE(LEVELS); b++) TIME(forward, r, 0, b) = LATE;
    for (int64_t k = 1; k <= count; k++) {
        int64_t slot = STOP(r, k), there = WHERE(slot, STANDS), duration = FIT(technician, slot, MINUTES);
        int64_t bound = WHERE(slot, BOUND);
        for (int64_t b = 0; b < SIZE(LEVELS); b++) TIME(forward, r, k, b) = LATE;
        for (int64_t b = 0; b <= breaks; b++) {
            int64_t departure = TIME(forward, r, k - 1, b);
            if (departure >= LATE) continue;
            int64_t minutes = drive(t, profile, here, there, departure);
            for (int64_t after = b; after <= breaks; after++) {
                int64_t ready = ready_after(t, r, departure, minutes, b, after);
                if (ready >= LATE) continue;
                int64_t start = first_start(t, technician, slot, most(ready, bound));
                if (start < LATE && start + duration < TIME(forward, r, k, after))
                    TIME(forward, r, k, after) = (int32_t)(start + duration);
            }
        }
        here = there;
    }
    here = PLACES(r, 0) = (int32_t)VEHICLE(r, START_PLACE);
    for (int64_t k = 1; k <= count + 1; k++) {
        PLACES(r, k) = (int32_t)(k > count ? VEHICLE(r, END_PLACE) : WHERE(STOP(r, k), STANDS));
        LEGS(r, k) = (int32_t)(count ? least(leg_cents(t, r, here, PLACES(r, k)), LATE) : 0);
        here = PLACES(r, k);
    }
    for (int64_t b = 0; b < SIZE(LEVELS); b++)
        TIME(backward, r, count + 1, b) = (int32_t)(b > breaks ? -LATE : latest_return(t, r, b));
    int64_t there = VEHICLE(r, END_PLACE);
    for (int64_t k = count; k >= 1; k--) {
        int64_t slot = STOP(r, k), duration = FIT(technician, slot, MINUTES);
        here = WHERE(slot, STANDS);
        for (int64_t b = breaks + 1; b < SIZE(LEVELS); b++) TIME(backward, r, k, b) = -LATE;
        for (int64_t b = 0; b <= breaks; b++) {
            int64_t best = -LATE;
            for (int64_t after = b; after <= breaks; after++) {
                int64_t ready = TIME(backward, r, k + 1, after);
                if (ready <= -LATE) continue;
                int64_t departure = departure_before(t, r, profile, here, there, ready, b, after);
                if (departure > -LATE) best = most(best, last_start(t, technician, slot, departure - duration));
            }
            TIME(backward, r, k, b) = (int32_t)best;
        }
        there = here;
    }
}

/* ---- driving a route in thought: starts, and in `verdict` what it costs in time and on the road */

/* Without breaks, as early as possible. */
static int straight(T t, W w, int64_t r, const int32_t *sequence, int64_t count) {
    int64_t technician = VEHICLE(r, TECHNICIAN), profile = VEHICLE(r, PROFILE);
    int64_t clock = VEHICLE(r, FIRST), here = VEHICLE(r, START_PLACE), end_place = VEHICLE(r, END_PLACE);
    int64_t lateness = 0, wishes = 0, worst = 0, on_road = 0, cents = 0, waiting = t->policy[2];
    const int32_t *free_road = t->pace_counts[profile] ? 0 : &ROAD(minutes, profile, 0, 0);
    for (int64_t k = 1; k <= count; k++) {
        int64_t slot = sequence[k], there = WHERE(slot, STANDS);
        int64_t minutes = free_road ? free_road[here * SIZE(PLACES) + there] : drive(t, profile, here, there, clock);
        int64_t arrive = clock + minutes;
        on_road += minutes - t->handling[there];
        cents += cents_of(t, r, minutes - t->handling[there], ROAD(metres, profile, here, there));
        int64_t start = first_start(t, technician, slot, most(arrive, WHERE(slot, BOUND)));
        if (start >= LATE) return 0;
        int64_t late = start - SLOT(slot, DUE);
        if (late > 0) {
            lateness += late * SLOT(slot, LATE_CENTS);
            wishes += late * SLOT(slot, LATE_SOFT_CENTS);
            worst = most(worst, late);
        }
        if (waiting && k > 1) wishes += (start - arrive) * waiting;
        w->starts[k] = (int32_t)start;
        clock = start + FIT(technician, slot, MINUTES);
        here = there;
    }
    if (end_place >= 0) {
        int64_t minutes = drive(t, profile, here, end_place, clock);
        on_road += minutes;
        cents += cents_of(t, r, minutes, ROAD(metres, profile, here, end_place));
        clock += minutes;
    }
    if (clock > VEHICLE(r, LAST)) return 0;
    if (clock > VEHICLE(r, END)) wishes += (clock - VEHICLE(r, END)) * VEHICLE(r, OVERTIME_CENTS);
    w->verdict[0] = lateness, w->verdict[1] = wishes, w->verdict[2] = worst, w->verdict[3] = on_road;
    w->verdict[4] = cents;
    return 1;
}

#define LABEL(side, i, c) (w->labels[((side) * (LABELS + 1) + (i)) * 4 + (c)])
#define ORIGIN(k, i) (w->origins[(k) * (LABELS + 1) + (i)])
#define LABEL_START(k, i) (w->label_starts[(k) * (LABELS + 1) + (i)])

static void move_label(W w, int64_t side, int64_t k, int64_t to, int64_t from) {
    for (int c = 0; c < 4; c++) LABEL(side, to, c) = LABEL(side, from, c);
    ORIGIN(k, to) = ORIGIN(k, from);
    LABEL_START(k, to) = LABEL_START(k, from);
}

/* Keeps a label unless another is as early and as cheap; drops those it beats. The earliest always stays. */
static int64_t put_label(T t, W w, int64_t side, int64_t made, int64_t k, int64_t origin, int64_t start, int64_t end,
                         int64_t lateness, int64_t wishes, int64_t taken) {
    double weight = t->weights[1], cents = weight * (double)lateness + (double)wishes;
    int64_t kept = 0;
    for (int64_t i = 0; i < made; i++) {
        if (LABEL(side, i, 3) == taken) {
            double other = weight * (double)LABEL(side, i, 1) + (double)LABEL(side, i, 2);
            if (LABEL(side, i, 0) <= end && other <= cents) return made;
            if (end <= LABEL(side, i, 0) && cents <= other) continue;
        }
        if (kept != i) move_label(w, side, k, kept, i);
        kept++;
    }
    if (kept == LABELS) { /* full: the dearest gives way, unless it is the earliest of its count of breaks */
        int64_t worst = -1;
        double dearest = cents;
        for (int64_t i = 0; i < kept; i++) {
            double other = weight * (double)LABEL(side, i, 1) + (double)LABEL(side, i, 2);
            if (other < dearest) continue;
            int earliest = !(LABEL(side, i, 3) == taken && end <= LABEL(side, i, 0));
            for (int64_t j = 0; earliest && j < kept; j++)
                earliest = j == i || LABEL(side, j, 3) != LABEL(side, i, 3) || LABEL(side, j, 0) > LABEL(side, i, 0);
            if (!earliest) worst = i, dearest = other;
        }
        if (worst < 0) return kept;
        kept--;
        if (worst != kept) move_label(w, side, k, worst, kept);
    }
    LABEL(side, kept, 0) = end, LABEL(side, kept, 1) = lateness, LABEL(side, kept, 2) = wishes;
    LABEL(side, kept, 3) = taken;
    ORIGIN(k, kept) = (int32_t)origin;
    LABEL_START(k, kept) = (int32_t)start;
    return kept + 1;
}

/* With breaks, or with starts that were published: labels, as `Timeline` has them. */
static int branched(T t, W w, int64_t r, const int32_t *sequence, int64_t count, int linked) {
    int64_t technician = VEHICLE(r, TECHNICIAN), profile = VEHICLE(r, PROFILE), breaks = VEHICLE(r, BREAKS);
    int64_t here = VEHICLE(r, START_PLACE), end_place = VEHICLE(r, END_PLACE), side = 0, labels = 1;
    int64_t waiting = t->policy[2];
    LABEL(0, 0, 0) = VEHICLE(r, FIRST), LABEL(0, 0, 1) = LABEL(0, 0, 2) = LABEL(0, 0, 3) = 0;
    for (int64_t k = 1; k <= count; k++) {
        int64_t slot = sequence[k], there = WHERE(slot, STANDS), duration = FIT(technician, slot, MINUTES);
        int64_t bound = WHERE(slot, BOUND), wished = SLOT(slot, PUBLISHED), moved = SLOT(slot, MOVED_CENTS);
        int64_t made = 0;
        for (int64_t i = 0; i < labels; i++) {
            int64_t departure = LABEL(side, i, 0), minutes = drive(t, profile, here, there, departure), rest = 0;
            for (int64_t after = LABEL(side, i, 3); after <= breaks; after++) {
                if (after > LABEL(side, i, 3)) rest += BREAK(VEHICLE(r, BREAKS_FROM) + after - 1, 2);
                int64_t ready = ready_after(t, r, departure, minutes, LABEL(side, i, 3), after);
                if (ready >= LATE) continue;
                int64_t start = first_start(t, technician, slot, most(ready, bound));
                if (start >= LATE) continue;
                for (int choice = 0; choice < 2; choice++) {
                    if (choice) {
                        if (linked || !moved || wished <= start || first_start(t, technician, slot, wished) != wished)
                            break;
                        start = wished;
                    }
                    int64_t late = most(0, start - SLOT(slot, DUE));
                    int64_t wishes = LABEL(side, i, 2) + late * SLOT(slot, LATE_SOFT_CENTS);
                    if (moved) wishes += (start > wished ? start - wished : wished - start) * moved;
                    if (waiting && k > 1) wishes += (start - departure - minutes - rest) * waiting;
                    made = put_label(t, w, 1 - side, made, k, i, start, start + duration,
                                     LABEL(side, i, 1) + late * SLOT(slot, LATE_CENTS), wishes, after);
                }
            }
        }
        if (!made) return 0;
        side = 1 - side, labels = made, here = there;
    }
    int64_t best = -1, best_back = 0;
    double best_cents = 0;
    for (int64_t i = 0; i < labels; i++) {
        int64_t departure = LABEL(side, i, 0);
        int64_t minutes = end_place < 0 ? 0 : drive(t, profile, here, end_place, departure);
        for (int64_t after = LABEL(side, i, 3); after <= breaks; after++) {
            int64_t back = ready_after(t, r, departure, minutes, LABEL(side, i, 3), after);
            if (back > latest_return(t, r, after)) continue;
            int64_t overtime = most(0, back - VEHICLE(r, END)) * VEHICLE(r, OVERTIME_CENTS);
            double cents = t->weights[1] * (double)LABEL(side, i, 1) + (double)(LABEL(side, i, 2) + overtime);
            if (best < 0 || cents < best_cents || (cents == best_cents && back < best_back)) {
                best = i, best_cents = cents, best_back = back;
                w->verdict[0] = LABEL(side, i, 1), w->verdict[1] = LABEL(side, i, 2) + overtime;
            }
        }
    }
    if (best < 0) return 0;
    for (int64_t k = count, i = best; k >= 1; k--) {
        w->starts[k] = LABEL_START(k, i);
        i = ORIGIN(k, i);
    }
    int64_t worst = 0, on_road = 0, cents = 0, clock = VEHICLE(r, FIRST);
    here = VEHICLE(r, START_PLACE);
    for (int64_t k = 1; k <= count; k++) {
        int64_t slot = sequence[k], there = WHERE(slot, STANDS), minutes = drive(t, profile, here, there, clock);
        worst = most(worst, w->starts[k] - SLOT(slot, DUE));
        on_road += minutes - t->handling[there];
        cents += cents_of(t, r, minutes - t->handling[there], ROAD(metres, profile, here, there));
        clock = w->starts[k] + FIT(technician, slot, MINUTES);
        here = there;
    }
    if (end_place >= 0) {
        int64_t minutes = drive(t, profile, here, end_place, clock);
        on_road += minutes;
        cents += cents_of(t, r, minutes, ROAD(metres, profile, here, end_place));
    }
    w->verdict[2] = worst, w->verdict[3] = on_road, w->verdict[4] = cents;
    return 1;
}

static int itinerary(T t, W w, int64_t r, const int32_t *sequence, int64_t count) {
    int branches = VEHICLE(r, BREAKS) > 0, linked = 0;
    for (int64_t k = 1; k <= count; k++) {
        branches |= SLOT(sequence[k], MOVED_CENTS) > 0;
        linked |= (int)SLOT(sequence[k], IS_LINKED);
    }
    return branches ? branched(t, w, r, sequence, count, linked) : straight(t, w, r, sequence, count);
}

/* Drives the route as it stands and notes its facts and the starts of its stops; 0 if it cannot be driven. */
static int judge(T t, W w, int64_t r) {
    int64_t count = FACT(r, COUNT), technician = VEHICLE(r, TECHNICIAN), timed = VEHICLE(r, OVERTIME_CENTS) > 0;
    w->is_stale[r] = 1;
    if (t->policy[2] || (t->pace_counts[VEHICLE(r, PROFILE)] && VEHICLE(r, MINUTE_CENTS))) timed = 1;
    if (!count) {
        for (int c = 1; c < FACT_COLUMNS; c++) FACT(r, c) = 0;
        FACT(r, ROUTE_TIMED) = timed;
        return 1;
    }
    if (!itinerary(t, w, r, &STOP(r, 0), count)) return 0;
    int64_t linked = 0, load = 0, minutes = w->verdict[3], own = 0;
    for (int64_t k = 1; k <= count; k++) {
        int64_t slot = STOP(r, k);
        WHERE(slot, ROUTE) = (int32_t)r, WHERE(slot, POSITION) = (int32_t)k, WHERE(slot, START) = w->starts[k];
        load += SLOT(slot, LOAD);
        timed |= SLOT(slot, IS_TIMED);
        linked |= SLOT(slot, IS_LINKED);
        minutes += FIT(technician, slot, MINUTES);
        own += FIT(technician, slot, OWN_CENTS);
    }
    FACT(r, LATENESS) = w->verdict[0];
    FACT(r, WISHES) = w->verdict[1] + w->verdict[4] + own + VEHICLE(r, SHIFT_CENTS);
    FACT(r, LOADED) = load, FACT(r, ROUTE_TIMED) = timed, FACT(r, ROUTE_LINKED) = linked;
    FACT(r, WORK_MINUTES) = minutes, FACT(r, WORST_LATE) = w->verdict[2];
    return 1;
}

/* ---- changing, with a way back */

static void count_parts(T t, W w, int64_t r, int64_t slot, int sign) {
    int64_t visit = SLOT(slot, VISIT), stock = SLOT(slot, FETCH_STOCK);
    int32_t *taken = WHERE(slot, IS_FETCHED) ? &w->fetched[stock * SIZE(PARTS)] : &USED(VEHICLE(r, TECHNICIAN), 0);
    for (int64_t q = 0; q < SIZE(PARTS); q++) taken[q] += (int32_t)(sign * t->parts_needed[visit * SIZE(PARTS) + q]);
}

/* Remembers a route as it is before its first change on this level; its times on the outer one only. */
static void touch(T t, W w, int64_t r) {
    int64_t level = w->level[0], vehicles = SIZE(VEHICLES);
    if (w->is_touched[level * vehicles + r]) return;
    w->is_touched[level * vehicles + r] = 1;
    int32_t *touched = w->touched + level * (vehicles + 1);
    touched[++touched[0]] = (int32_t)r;
    memcpy(w->saved_facts + (level * vehicles + r) * FACT_COLUMNS, &FACT(r, 0), sizeof(int64_t) * FACT_COLUMNS);
    int64_t count = FACT(r, COUNT);
    memcpy(&SAVED(saved_routes, level, r, 0), &STOP(r, 0), sizeof(int32_t) * (size_t)(count + 2));
    if (!level) {
        size_t bytes = sizeof(int32_t) * (size_t)((count + 2) * SIZE(LEVELS));
        memcpy(&TIME(saved_forward, r, 0, 0), &TIME(forward, r, 0, 0), bytes);
        memcpy(&TIME(saved_backward, r, 0, 0), &TIME(backward, r, 0, 0), bytes);
        memcpy(&w->saved_places[r * SIZE(WIDTH)], &PLACES(r, 0), sizeof(int32_t) * (size_t)(count + 2));
        memcpy(&w->saved_legs[r * SIZE(WIDTH)], &LEGS(r, 0), sizeof(int32_t) * (size_t)(count + 2));
    }
    for (int64_t k = 1; k <= count; k++) {
        SAVED(saved_starts, level, r, k) = WHERE(STOP(r, k), START);
        SAVED(saved_bounds, level, r, k) = WHERE(STOP(r, k), BOUND);
        SAVED(saved_fetched, level, r, k) = WHERE(STOP(r, k), IS_FETCHED);
    }
}

static void remember_totals(W w) { memcpy(w->saved_totals + w->level[0] * 4, w->totals, sizeof(int64_t) * 4); }

static void forget_touches(T t, W w) {
    int32_t *touched = w->touched + w->level[0] * (SIZE(VEHICLES) + 1);
    for (int64_t i = 1; i <= touched[0]; i++) w->is_touched[w->level[0] * SIZE(VEHICLES) + touched[i]] = 0;
    touched[0] = 0;
}

/* Everything as it was before the first touch on this level. */
static void take_back(T t, W w) {
    int64_t level = w->level[0], vehicles = SIZE(VEHICLES);
    int32_t *touched = w->touched + level * (vehicles + 1);
    for (int64_t i = 1; i <= touched[0]; i++) {
        int64_t r = touched[i];
        for (int64_t k = 1; k <= FACT(r, COUNT); k++) {
            WHERE(STOP(r, k), ROUTE) = -1, WHERE(STOP(r, k), BOUND) = -LATE;
            if (SIZE(PARTS)) count_parts(t, w, r, STOP(r, k), -1);
        }
    }
    for (int64_t i = 1; i <= touched[0]; i++) {
        int64_t r = touched[i];
        memcpy(&FACT(r, 0), w->saved_facts + (level * vehicles + r) * FACT_COLUMNS, sizeof(int64_t) * FACT_COLUMNS);
        int64_t count = FACT(r, COUNT);
        w->is_stale[r] = 0;
        memcpy(&STOP(r, 0), &SAVED(saved_routes, level, r, 0), sizeof(int32_t) * (size_t)(count + 2));
        if (!level) {
            size_t bytes = sizeof(int32_t) * (size_t)((count + 2) * SIZE(LEVELS));
            memcpy(&TIME(forward, r, 0, 0), &TIME(saved_forward, r, 0, 0), bytes);
            memcpy(&TIME(backward, r, 0, 0), &TIME(saved_backward, r, 0, 0), bytes);
            memcpy(&PLACES(r, 0), &w->saved_places[r * SIZE(WIDTH)], sizeof(int32_t) * (size_t)(count + 2));
            memcpy(&LEGS(r, 0), &w->saved_legs[r * SIZE(WIDTH)], sizeof(int32_t) * (size_t)(count + 2));
        }
        for (int64_t k = 1; k <= count; k++) {
            int64_t slot = STOP(r, k);
            WHERE(slot, ROUTE) = (int32_t)r, WHERE(slot, POSITION) = (int32_t)k;
            WHERE(slot, START) = SAVED(saved_starts, level, r, k);
            WHERE(slot, BOUND) = SAVED(saved_bounds, level, r, k);
            WHERE(slot, IS_FETCHED) = SAVED(saved_fetched, level, r, k);
            WHERE(slot, STANDS) = (int32_t)(WHERE(slot, IS_FETCHED) ? SLOT(slot, FETCH_PLACE) : SLOT(slot, PLACE));
            if (SIZE(PARTS)) count_parts(t, w, r, slot, 1);
        }
    }
    memcpy(w->totals, w->saved_totals + level * 4, sizeof(int64_t) * 4);
    forget_touches(t, w);
}

static int has_parts(T t, int64_t visit, const int32_t *taken, const int32_t *there) {
    for (int64_t q = 0; q < SIZE(PARTS); q++) {
        int64_t needed = t->parts_needed[visit * SIZE(PARTS) + q];
        if (needed && taken[q] + needed > there[q]) return 0;
    }
    return 1;
}

/* Whether the route can take the slot, its load and its parts; if those must be fetched, the way leads past the stock:
   the slot then stands at a place of its own, whose legs in are those over the stock. */
static int has_room(T t, W w, int64_t r, int64_t slot) {
    if (FACT(r, LOADED) + SLOT(slot, LOAD) > VEHICLE(r, CAPACITY)) return 0;
    WHERE(slot, STANDS) = (int32_t)SLOT(slot, PLACE), WHERE(slot, IS_FETCHED) = 0;
    if (!SIZE(PARTS)) return 1;
    int64_t technician = VEHICLE(r, TECHNICIAN), visit = SLOT(slot, VISIT), stock = SLOT(slot, FETCH_STOCK);
    if (has_parts(t, visit, &USED(technician, 0), t->parts_carried + technician * SIZE(PARTS))) return 1;
    if (stock < 0 || !has_parts(t, visit, w->fetched + stock * SIZE(PARTS), t->stocked + stock * SIZE(PARTS))) return 0;
    WHERE(slot, STANDS) = (int32_t)SLOT(slot, FETCH_PLACE), WHERE(slot, IS_FETCHED) = 1;
    return 1;
}

static inline void add_to_totals(W w, int64_t r, int sign) {
    w->totals[SUM_LATENESS] += sign * FACT(r, LATENESS);
    w->totals[SUM_WISHES] += sign * FACT(r, WISHES);
}

/* Only the row; times and facts are not looked at yet. */
static void put_into_route(T t, W w, int64_t r, int64_t slot, int64_t position) {
    touch(t, w, r);
    int64_t count = FACT(r, COUNT)++;
    memmove(&STOP(r, position + 1), &STOP(r, position), sizeof(int32_t) * (size_t)(count + 2 - position));
    STOP(r, position) = (int32_t)slot;
    WHERE(slot, ROUTE) = (int32_t)r;
    for (int64_t k = position; k <= count + 1; k++) WHERE(STOP(r, k), POSITION) = (int32_t)k;
    if (SIZE(PARTS)) count_parts(t, w, r, slot, 1);
}

static void take_from_route(T t, W w, int64_t r, int64_t position) {
    touch(t, w, r);
    int64_t count = FACT(r, COUNT)--, slot = STOP(r, position);
    memmove(&STOP(r, position), &STOP(r, position + 1), sizeof(int32_t) * (size_t)(count + 1 - position));
    for (int64_t k = position; k < count; k++) WHERE(STOP(r, k), POSITION) = (int32_t)k;
    WHERE(slot, ROUTE) = -1, WHERE(slot, BOUND) = -LATE;
    if (SIZE(PARTS)) count_parts(t, w, r, slot, -1);
}

/* ---- linked visits */

/* The lower bound an arc puts on the start of its second slot; -LATE while its first is not served. */
static int64_t arc_bound(T t, W w, int64_t arc) {
    int64_t first = ARC(arc, ARC_FROM), then = ARC(arc, ARC_TO), r = WHERE(first, ROUTE);
    if (r < 0) return -LATE;
    int64_t bound = WHERE(first, START) + ARC(arc, ARC_MINUTES);
    if (ARC(arc, ARC_AFTER_END)) bound += FIT(VEHICLE(r, TECHNICIAN), first, MINUTES);
    if (ARC(arc, ARC_BEFORE_END)) {
        int64_t other = WHERE(then, ROUTE);
        if (other < 0) return -LATE;
        bound -= FIT(VEHICLE(other, TECHNICIAN), then, MINUTES);
    }
    return bound;
}

static int64_t bound_of(T t, W w, int64_t slot) {
    int64_t bound = -LATE;
    for (int64_t i = t->arcs_in_from[slot]; i < t->arcs_in_from[slot + 1]; i++)
        bound = most(bound, arc_bound(t, w, t->arcs_in[i]));
    return bound;
}

/* Drives the first `waiting` routes of the queue, hands the starts of their linked visits on, and drives those that
   must start later, until nothing moves. 0 when somebody cannot keep up: the caller takes everything back. */
static int spread(T t, W w, int64_t waiting) {
    int64_t limit = 40 + 12 * waiting, capacity = SIZE(VEHICLES) + 1, head = 0, tail = waiting;
    int good = 1;
    for (int64_t i = 0; i < waiting; i++) w->scratch[w->queue[i]] = 1;
    while (head < tail) {
        int64_t r = w->queue[head++ % capacity];
        w->scratch[r] = 0;
        if (!good) continue;
        touch(t, w, r);
        add_to_totals(w, r, -1);
        good = limit-- > 0 && judge(t, w, r);
        add_to_totals(w, r, 1);
        if (!good || !FACT(r, ROUTE_LINKED)) continue;
        for (int64_t k = 1; k <= FACT(r, COUNT); k++) {
            int64_t slot = STOP(r, k);
            if (!SLOT(slot, IS_LINKED)) continue;
            for (int64_t arc = t->arcs_from[slot]; arc < t->arcs_from[slot + 1]; arc++) {
                int64_t then = ARC(arc, ARC_TO), other = WHERE(then, ROUTE);
                if (other < 0) continue;
                int64_t bound = arc_bound(t, w, arc);
                if (bound <= WHERE(then, BOUND)) continue;
                touch(t, w, other);
                WHERE(then, BOUND) = (int32_t)bound;
                if (bound > WHERE(then, START) && !w->scratch[other]) {
                    w->scratch[other] = 1;
                    w->queue[tail++ % capacity] = (int32_t)other;
                }
            }
        }
    }
    return good;
}

static void refresh_stale(T t, W w) {
    for (int64_t i = 1; i <= w->touched[0]; i++)
        if (w->is_stale[w->touched[i]]) refresh_times(t, w, w->touched[i]);
}

/* After visits were taken out: the touched routes, and those their linked visits reach, start as early as they can. */
static int settle(T t, W w) {
    int64_t count = 0;
    for (int64_t i = 1; i <= w->touched[0]; i++) {
        w->queue[count++] = w->touched[i];
        w->scratch[w->touched[i]] = 1;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t r = w->queue[i];
        for (int64_t k = 1; k <= FACT(r, COUNT); k++) {
            int64_t slot = STOP(r, k);
            if (!SLOT(slot, IS_LINKED)) continue;
            for (int64_t arc = t->arcs_from[slot]; arc < t->arcs_from[slot + 1]; arc++) {
                int64_t other = WHERE(ARC(arc, ARC_TO), ROUTE);
                if (other >= 0 && !w->scratch[other]) {
                    w->scratch[other] = 1;
                    w->queue[count++] = (int32_t)other;
                }
            }
        }
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t r = w->queue[i];
        w->scratch[r] = 0;
        touch(t, w, r);
        for (int64_t k = 1; k <= FACT(r, COUNT); k++)
            if (SLOT(STOP(r, k), IS_LINKED)) WHERE(STOP(r, k), START) = -LATE;
    }
    /* No visit inside this circle moves one outside it; those outside that come first stay where they are. */
    for (int64_t i = 0; i < count; i++) {
        int64_t r = w->queue[i];
        for (int64_t k = 1; k <= FACT(r, COUNT); k++)
            if (SLOT(STOP(r, k), IS_LINKED)) WHERE(STOP(r, k), BOUND) = (int32_t)bound_of(t, w, STOP(r, k));
    }
    if (!spread(t, w, count)) return 0;
    refresh_stale(t, w);
    return 1;
}

/* ---- where a visit may go */

/* Crew mates are different people, and who must be the same person is. */
static int may_come(T t, W w, int64_t r, int64_t slot) {
    int64_t technician = VEHICLE(r, TECHNICIAN), visit = SLOT(slot, VISIT), group = VISITS(visit, GROUP);
    int64_t own = VISITS(visit, FIRST_SLOT), crew = VISITS(visit, CREW);
    for (int64_t mate = own; mate < own + crew; mate++)
        if (WHERE(mate, ROUTE) >= 0 && VEHICLE(WHERE(mate, ROUTE), TECHNICIAN) == technician) return 0;
    if (group < 0) return 1;
    for (int64_t i = t->groups_from[group]; i < t->groups_from[group + 1]; i++) {
        int64_t other = t->groups[i], first = VISITS(other, FIRST_SLOT), here = 0, missing = 0;
        if (other == visit || (VISITS(visit, SAME_AS) != other && VISITS(other, SAME_AS) != visit)) continue;
        if (WHERE(first, ROUTE) < 0) continue;
        for (int64_t mate = first; mate < first + VISITS(other, CREW); mate++) {
            int64_t theirs = VEHICLE(WHERE(mate, ROUTE), TECHNICIAN), found = 0;
            here |= theirs == technician;
            for (int64_t mine = own; mine < own + crew; mine++)
                found |= WHERE(mine, ROUTE) >= 0 && VEHICLE(WHERE(mine, ROUTE), TECHNICIAN) == theirs;
            missing |= !found;
        }
        if (missing && !here) return 0;
    }
    return 1;
}

/* The earliest start of the slot put before `position`; LATE where the route would break. */
static int64_t fits_between(T t, W w, int64_t r, int64_t slot, int64_t position, int64_t bound) {
    int64_t technician = VEHICLE(r, TECHNICIAN), profile = VEHICLE(r, PROFILE), breaks = VEHICLE(r, BREAKS);
    int64_t here = position == 1 ? VEHICLE(r, START_PLACE) : WHERE(STOP(r, position - 1), STANDS);
    int64_t there = position > FACT(r, COUNT) ? VEHICLE(r, END_PLACE) : WHERE(STOP(r, position), STANDS);
    int64_t place = WHERE(slot, STANDS), duration = FIT(technician, slot, MINUTES), best = LATE;
    for (int64_t b = 0; b <= breaks; b++) {
        int64_t departure = TIME(forward, r, position - 1, b);
        if (departure >= LATE) continue;
        int64_t into = drive(t, profile, here, place, departure);
        for (int64_t between = b; between <= breaks; between++) {
            int64_t ready = ready_after(t, r, departure, into, b, between);
            if (ready >= LATE) continue;
            int64_t start = first_start(t, technician, slot, most(ready, bound));
            if (start >= best) continue;
            int64_t end = start + duration, out = there < 0 ? 0 : drive(t, profile, place, there, end);
            for (int64_t after = between; after <= breaks; after++)
                if (ready_after(t, r, end, out, between, after) <= TIME(backward, r, position, after)) {
                    best = start;
                    break;
                }
        }
    }
    return best;
}

static int put_and_spread(T t, W w, int64_t r, int64_t slot, int64_t position) {
    put_into_route(t, w, r, slot, position);
    WHERE(slot, START) = -LATE;
    WHERE(slot, BOUND) = (int32_t)bound_of(t, w, slot);
    w->queue[0] = (int32_t)r;
    return spread(t, w, 1);
}

/* For routes whose visits are linked with others: put it in, see what moves, take it out again. */
static double cost_when_spread(T t, W w, int64_t r, int64_t slot, int64_t position) {
    w->level[0] = 1;
    remember_totals(w);
    int good = put_and_spread(t, w, r, slot, position);
    int64_t lateness = w->totals[SUM_LATENESS] - w->saved_totals[4 + SUM_LATENESS];
    int64_t wishes = w->totals[SUM_WISHES] - w->saved_totals[4 + SUM_WISHES];
    take_back(t, w);
    WHERE(slot, ROUTE) = -1, WHERE(slot, BOUND) = -LATE;
    w->level[0] = 0;
    return good ? t->weights[1] * (double)lateness + (double)wishes : INFINITY;
}

/* Whether the new starts of `sequence` make linked visits elsewhere start later. */
static int moves_others(T t, W w, const int32_t *sequence, int64_t count, int64_t inserted) {
    int moves = 0;
    for (int64_t k = 1; k <= count && !moves; k++) {
        int64_t slot = sequence[k], before = WHERE(slot, START);
        if (!SLOT(slot, IS_LINKED) || (slot != inserted && w->starts[k] == before)) continue;
        WHERE(slot, START) = w->starts[k];
        for (int64_t arc = t->arcs_from[slot]; arc < t->arcs_from[slot + 1]; arc++) {
            int64_t then = ARC(arc, ARC_TO);
            moves |= WHERE(then, ROUTE) >= 0 && arc_bound(t, w, arc) > WHERE(then, START);
        }
        WHERE(slot, START) = (int32_t)before;
    }
    return moves;
}

/* What the whole plan costs more with the slot there, weighed; infinite where it cannot be. */
static double cost_of_place(T t, W w, int64_t r, int64_t slot, int64_t position) {
    int64_t count = FACT(r, COUNT), technician = VEHICLE(r, TECHNICIAN), linked = SLOT(slot, IS_LINKED);
    if (linked) {
        WHERE(slot, ROUTE) = (int32_t)r;
        WHERE(slot, BOUND) = (int32_t)bound_of(t, w, slot);
    }
    memcpy(w->sequence, &STOP(r, 0), sizeof(int32_t) * (size_t)position);
    w->sequence[position] = (int32_t)slot;
    memcpy(w->sequence + position + 1, &STOP(r, position), sizeof(int32_t) * (size_t)(count + 1 - position));
    int good = itinerary(t, w, r, w->sequence, count + 1), moves = 0;
    if (good && (linked || FACT(r, ROUTE_LINKED))) moves = moves_others(t, w, w->sequence, count + 1, slot);
    if (linked) WHERE(slot, ROUTE) = -1, WHERE(slot, BOUND) = -LATE;
    if (!good) return INFINITY;
    if (moves) return cost_when_spread(t, w, r, slot, position);
    int64_t own = FIT(technician, slot, OWN_CENTS);
    for (int64_t k = 1; k <= count; k++) own += FIT(technician, STOP(r, k), OWN_CENTS);
    int64_t wishes = w->verdict[1] + w->verdict[4] + own + VEHICLE(r, SHIFT_CENTS) - FACT(r, WISHES);
    return t->weights[1] * (double)(w->verdict[0] - FACT(r, LATENESS)) + (double)wishes;
}

/* After how many places one is overlooked again. */
static int64_t next_blink(W w, double blink) {
    if (blink <= 0) return INT64_MAX;
    return 1 + (int64_t)(log(1.0 - chance(w)) / log1p(-blink));
}

/* Places whose true cost is not known yet, the least possible one on top. */
static void sink(W w, int64_t count, int64_t at) {
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && w->heap[child + 1] < w->heap[child]) child++;
        if (w->heap[at] <= w->heap[child]) return;
        double bound = w->heap[at];
        int64_t where = w->heap_where[at];
        w->heap[at] = w->heap[child], w->heap_where[at] = w->heap_where[child];
        w->heap[child] = bound, w->heap_where[child] = where;
        at = child;
    }
}

/* Marks the routes that lead to one of the visit's nearest, or were just ruined. */
static void mark_near(T t, W w, int64_t visit, int64_t stamp) {
    for (int64_t i = 0; i < SIZE(NEIGHBOURS) && i < NEAR_VISITS; i++) {
        int64_t r = WHERE(VISITS(t->neighbours[visit * SIZE(NEIGHBOURS) + i], FIRST_SLOT), ROUTE);
        if (r >= 0) w->near[r] = stamp;
    }
    for (int64_t i = 1; i <= w->touched[0]; i++) w->near[w->touched[i]] = stamp;
}

/* The cheapest place for the slot, into `place`; some places are overlooked by chance. Where only the road costs, a
   place is judged at once. The others wait in a heap by what the road alone costs there, and are driven in thought
   from the cheapest on, until what the road costs is more than the best place found. */
static void best_place(T t, W w, int64_t slot, int only_touched, double blink) {
    int64_t visit = SLOT(slot, VISIT), linked = SLOT(slot, IS_LINKED), place;
    int64_t bound = linked ? bound_of(t, w, slot) : -LATE, due = SLOT(slot, DUE), size = SIZE(PLACES);
    int64_t levels = SIZE(LEVELS), width = SIZE(WIDTH), waiting = 0;
    double late_cents = t->weights[1] * (double)SLOT(slot, LATE_CENTS) + (double)SLOT(slot, LATE_SOFT_CENTS);
    double best = INFINITY;
    int64_t best_vehicle = -1, best_position = -1, stamp = ++w->stamps[SIZE(KINDS)], bar = INT64_MAX;
    int64_t until_blink = blink > 0 ? w->blink[0] : INT64_MAX;
    int blinks_far = blink > 0;
    int64_t opening = w->opening[0];
    w->opening[0] = 0;
    int64_t from = t->candidates_from[visit], to = t->candidates_from[visit + 1];
    int nearby = blinks_far && to - from > CANDIDATES_MANY && below(w, FAR_ONCE_IN) > 0;
    if (nearby) mark_near(t, w, visit, stamp);
    for (int64_t i = from; i < to; i++) {
        int64_t r = t->candidates[i], count = FACT(r, COUNT);
        if (only_touched && !w->is_touched[r]) continue;
        if (nearby && count && w->near[r] != stamp) continue;
        if (opening && count) continue;
        if (!count) { /* of empty routes that are alike one is enough */
            if (w->stamps[VEHICLE(r, KIND)] == stamp) continue;
            w->stamps[VEHICLE(r, KIND)] = stamp;
        }
        if (!has_room(t, w, r, slot)) continue;
        if (linked && !may_come(t, w, r, slot)) continue;
        place = WHERE(slot, STANDS);
        int64_t profile = VEHICLE(r, PROFILE), technician = VEHICLE(r, TECHNICIAN), prices = VEHICLE(r, PRICES);
        int64_t earliest = FIT(technician, slot, EARLIEST), latest = FIT(technician, slot, LATEST);
        int64_t duration = FIT(technician, slot, MINUTES), holes = FIT(technician, slot, HOLES);
        int64_t own = FIT(technician, slot, OWN_CENTS) + (count ? 0 : VEHICLE(r, SHIFT_CENTS));
        int quick = !VEHICLE(r, BREAKS) && !t->pace_counts[profile];
        int plain = !(FACT(r, ROUTE_TIMED) || SLOT(slot, IS_TIMED) || linked || FACT(r, ROUTE_LINKED));
        const int32_t *places = &PLACES(r, 0), *legs = &LEGS(r, 0);
        const int32_t *forward = &TIME(forward, r, 0, 0), *backward = &TIME(backward, r, 0, 0);
        const int32_t *minutes = &ROAD(minutes, profile, 0, 0), *minutes_out = minutes + place * size;
        const int32_t *cents_in = prices < 0 ? 0 : &ROAD(cents, prices, 0, 0);
        const int32_t *cents_out = prices < 0 ? 0 : cents_in + place * size;
        int64_t ready_until = earliest + duration;
        for (int64_t k = 1; k <= count + 1; k++) {
            if (--until_blink <= 0) {
                until_blink = next_blink(w, blink);
                continue;
            }
            if (quick && ready_until > backward[k * levels]) continue;
            int64_t before = places[k - 1], there = places[k], cents;
            if (prices >= 0)
                cents = cents_in[before * size + place] + (there < 0 ? 0 : cents_out[there]) - legs[k] + own;
            else
                cents = leg_cents(t, r, before, place) + leg_cents(t, r, place, there) - legs[k] + own;
            if (cents >= bar) continue;
            double cost = (double)cents;
            if (quick) {
                int64_t departure = forward[(k - 1) * levels];
                int64_t start = most(departure + minutes[before * size + place], bound);
                if (start > latest) {
                    if (departure > latest) break;
                    continue;
                }
                start = most(start, earliest);
                if (holes >= 0) start = first_start(t, technician, slot, start);
                if (start + duration + (there < 0 ? 0 : minutes_out[there]) > backward[k * levels]) continue;
                if (plain) {
                    best = cost, best_vehicle = r, best_position = k, bar = cents;
                    continue;
                }
                if (start > due) cost += late_cents * (double)(start - due);
            }
            else if (!t->pace_counts[profile]) { /* with breaks: as if the best count of them were taken */
                int64_t departure = forward[(k - 1) * levels], until = backward[k * levels];
                for (int64_t b = 1; b < levels; b++) {
                    departure = least(departure, forward[(k - 1) * levels + b]);
                    until = most(until, backward[k * levels + b]);
                }
                int64_t start = most(most(departure + minutes[before * size + place], bound), earliest);
                if (start > latest || start + duration + (there < 0 ? 0 : minutes_out[there]) > until) continue;
                if (start > due) cost += late_cents * (double)(start - due);
            }
            w->heap[waiting] = cost;
            w->heap_where[waiting++] = r * width + k;
        }
    }
    if (blink > 0) w->blink[0] = until_blink;
    for (int64_t at = waiting / 2 - 1; at >= 0; at--) sink(w, waiting, at);
    while (waiting && w->heap[0] < best) {
        double cost = w->heap[0];
        int64_t r = w->heap_where[0] / width, k = w->heap_where[0] % width;
        waiting--;
        w->heap[0] = w->heap[waiting], w->heap_where[0] = w->heap_where[waiting];
        sink(w, waiting, 0);
        has_room(t, w, r, slot);
        if (VEHICLE(r, BREAKS) || t->pace_counts[VEHICLE(r, PROFILE)]) {
            int64_t start = fits_between(t, w, r, slot, k, bound);
            if (start >= LATE || (start > due && cost + late_cents * (double)(start - due) >= best)) continue;
        }
        if (FACT(r, ROUTE_TIMED) || SLOT(slot, IS_TIMED) || linked || FACT(r, ROUTE_LINKED))
            cost = cost_of_place(t, w, r, slot, k);
        if (cost < best) best = cost, best_vehicle = r, best_position = k;
    }
    w->place[0] = best, w->place[1] = (double)best_vehicle, w->place[2] = (double)best_position;
}

/* Puts it in for good; 0 if the plan no longer holds, which the caller must take back. */
static int insert_slot(T t, W w, int64_t slot, int64_t r, int64_t position) {
    has_room(t, w, r, slot);
    if (SLOT(slot, IS_LINKED) || FACT(r, ROUTE_LINKED)) {
        if (!put_and_spread(t, w, r, slot, position)) return 0;
        refresh_stale(t, w);
        return 1;
    }
    put_into_route(t, w, r, slot, position);
    add_to_totals(w, r, -1);
    int good = judge(t, w, r);
    add_to_totals(w, r, 1);
    if (good) refresh_times(t, w, r);
    return good;
}

static void note_served(T t, W w, int64_t visit, int sign) {
    w->totals[SUM_POINTS] -= sign * VISITS(visit, POINTS);
    w->totals[SUM_WISHES] -= sign * VISITS(visit, PRICE);
}

static inline int is_served(T t, W w, int64_t visit) { return WHERE(VISITS(visit, FIRST_SLOT), ROUTE) >= 0; }

/* Serves the visit where it is cheapest, if it is worth it. 1: served, 0: not, -1: the plan is broken. */
static int insert_visit(T t, W w, int64_t visit, int only_touched, double blink) {
    int64_t first = VISITS(visit, FIRST_SLOT), crew = VISITS(visit, CREW), placed = 0;
    int mandatory = VISITS(visit, POINTS) > 0;
    double worth = (double)VISITS(visit, PRICE), cost = 0;
    for (; placed < crew; placed++) {
        best_place(t, w, first + placed, only_touched && crew == 1, blink);
        cost += w->place[0];
        if (w->place[1] < 0 || (!mandatory && cost >= worth)) break;
        if (!insert_slot(t, w, first + placed, (int64_t)w->place[1], (int64_t)w->place[2])) return -1;
    }
    if (placed == crew) {
        note_served(t, w, visit, 1);
        return 1;
    }
    for (int64_t slot = first; slot < first + placed; slot++)
        take_from_route(t, w, WHERE(slot, ROUTE), WHERE(slot, POSITION));
    return placed && !settle(t, w) ? -1 : 0;
}

/* The visit and those linked with it, each after what it depends on. */
static int insert_group(T t, W w, int64_t visit, double blink) {
    int64_t group = VISITS(visit, GROUP);
    for (int64_t i = t->groups_from[group]; i < t->groups_from[group + 1]; i++) {
        int64_t other = t->groups[i];
        if (is_served(t, w, other)) continue;
        int ready = 1;
        for (int64_t k = t->before_from[other]; k < t->before_from[other + 1]; k++)
            ready &= is_served(t, w, t->before[k]);
        if (ready && insert_visit(t, w, other, 0, blink) < 0) return 0;
    }
    return 1;
}

static void sort_by_keys(W w, int64_t count) {
    for (int64_t i = 1; i < count; i++) {
        int32_t visit = w->absent[i];
        double key = w->keys[visit];
        int64_t k = i - 1;
        for (; k >= 0 && w->keys[w->absent[k]] > key; k--) w->absent[k + 1] = w->absent[k];
        w->absent[k + 1] = visit;
    }
}

/* By chance, or by one of the orders of the tables. */
static void sort_absent(T t, W w, int64_t count) {
    int64_t drawn = below(w, 11 + SIZE(ORDERS));
    int64_t order = drawn < 5 ? -1 : drawn < 8 ? 0 : drawn < 11 ? 1 : drawn - 11;
    for (int64_t i = 0; i < count; i++) {
        int64_t visit = w->absent[i];
        double key = chance(w);
        w->keys[visit] = order < 0 ? key : t->orders[order * SIZE(VISITS) + visit] + key * 1e-3;
    }
    sort_by_keys(w, count);
}

/* One visit, with those it is linked to. 0 when the plan is broken. */
static int put_back(T t, W w, int64_t visit, double blink, int patient) {
    if (is_served(t, w, visit)) return 1;
    if (VISITS(visit, GROUP) >= 0) return insert_group(t, w, visit, blink);
    return insert_visit(t, w, visit, !(patient || w->fresh[visit]), blink) >= 0;
}

/* Puts the first `count` of `absent` back, in their order. Those that were out before are tried only in routes that
   changed, unless `patient`. 0 when the plan is broken. */
static int recreate(T t, W w, int64_t count, double blink, int patient) {
    for (int64_t i = 0; i < count; i++)
        if (!put_back(t, w, w->absent[i], blink, patient)) return 0;
    return 1;
}

/* ---- ruin */

/* Takes the visit, and the group it is linked with, out; they are added to `absent`. */
static int64_t take_out_visit(T t, W w, int64_t visit, int64_t count) {
    int64_t group = VISITS(visit, GROUP);
    int64_t first = group < 0 ? 0 : t->groups_from[group], last = group < 0 ? 1 : t->groups_from[group + 1];
    for (int64_t i = first; i < last; i++) {
        int64_t other = group < 0 ? visit : t->groups[i], slot = VISITS(other, FIRST_SLOT);
        if (!is_served(t, w, other)) continue;
        for (int64_t end = slot + VISITS(other, CREW); slot < end; slot++)
            take_from_route(t, w, WHERE(slot, ROUTE), WHERE(slot, POSITION));
        note_served(t, w, other, -1);
        w->absent[count++] = (int32_t)other;
        w->fresh[other] = 1;
    }
    return count;
}

/* Adjacent string removal: from a visit outwards, a string of each route that comes near. How many were taken out. */
static int64_t ruin(T t, W w, double removed_mean, double string_max) {
    int64_t seed = w->seed[0] = below(w, SIZE(VISITS)), active = 0, served = 0, count = 0, ruined = 0;
    for (int64_t r = 0; r < SIZE(VEHICLES); r++) active += FACT(r, COUNT) > 0, served += FACT(r, COUNT);
    if (!active) return 0;
    double longest = fmin(string_max, (double)served / (double)active);
    int64_t strings = (int64_t)(chance(w) * fmax(0.0, 4.0 * removed_mean / (1.0 + longest) - 1.0)) + 1;
    for (int64_t i = 0; i < SIZE(NEIGHBOURS) && ruined < strings; i++) {
        int64_t visit = t->neighbours[seed * SIZE(NEIGHBOURS) + i], slot = VISITS(visit, FIRST_SLOT);
        int64_t r = WHERE(slot, ROUTE);
        if (r < 0 || w->scratch[r]) continue;
        int64_t size = FACT(r, COUNT), position = WHERE(slot, POSITION), keep = 0;
        int64_t length = least((int64_t)(chance(w) * fmin((double)size, longest)) + 1, size);
        if (length < size && chance(w) < 0.5) /* a split string keeps some stops in its middle */
            for (keep = 1; length + keep < size && chance(w) > 0.01;) keep++;
        int64_t span = length + keep, low = most(1, position - span + 1), high = least(position, size - span + 1);
        int64_t start = low + below(w, high - low + 1), after = keep ? 1 + below(w, length) : 0, taken = 0;
        for (int64_t offset = 0; offset < span; offset++) {
            int64_t other = SLOT(STOP(r, start + offset), VISIT);
            if (keep && after <= offset && offset < after + keep && other != visit) continue;
            w->marks[taken++] = (int32_t)other;
        }
        w->scratch[r] = 1;
        w->ruined[ruined++] = (int32_t)r;
        for (int64_t k = 0; k < taken; k++)
            if (is_served(t, w, w->marks[k])) count = take_out_visit(t, w, w->marks[k], count);
    }
    for (int64_t i = 0; i < ruined; i++) w->scratch[w->ruined[i]] = 0;
    return count;
}

/* After a ruin: every changed route anew. 0 where one can no longer be driven. */
static int drive_touched(T t, W w) {
    if (SIZE(GROUPS)) return settle(t, w);
    for (int64_t i = 1; i <= w->touched[0]; i++) {
        int64_t r = w->touched[i];
        add_to_totals(w, r, -1);
        int good = judge(t, w, r);
        add_to_totals(w, r, 1);
        if (!good) return 0;
        refresh_times(t, w, r);
    }
    return 1;
}

/* ---- annealing */

/* What no route has alone: the latest of all, and the busiest technician. */
static void note_worst(T t, W w) {
    if (t->policy[1]) {
        int64_t worst = 0;
        for (int64_t r = 0; r < SIZE(VEHICLES); r++) worst = most(worst, FACT(r, WORST_LATE));
        w->totals[SUM_WORST] = worst * t->policy[1];
    }
    if (t->policy[0]) {
        int64_t total = 0, busiest = 0, own = 0, last = -1;
        for (int64_t r = 0; r < SIZE(VEHICLES); r++) {
            if (VEHICLE(r, TECHNICIAN) != last) own = 0, last = VEHICLE(r, TECHNICIAN);
            own += FACT(r, WORK_MINUTES);
            total += FACT(r, WORK_MINUTES);
            busiest = most(busiest, own);
        }
        w->balance[0] = (busiest - total / SIZE(TECHNICIANS)) * t->policy[0];
    }
}

static double energy_of(T t, W w) {
    return t->weights[0] * (double)w->totals[SUM_POINTS] +
           t->weights[1] * (double)(w->totals[SUM_LATENESS] + w->totals[SUM_WORST]) +
           t->weights[2] * (double)(w->totals[SUM_WISHES] + w->balance[0]);
}

static void keep_best(T t, W w) {
    for (int64_t r = 0; r < SIZE(VEHICLES); r++) {
        int64_t count = FACT(r, COUNT);
        w->best_counts[r] = (int32_t)count;
        for (int64_t k = 1; k <= count; k++) {
            w->best_routes[r * SIZE(WIDTH) + k] = STOP(r, k);
            w->best_starts[r * SIZE(WIDTH) + k] = WHERE(STOP(r, k), START);
            w->best_fetched[r * SIZE(WIDTH) + k] = WHERE(STOP(r, k), IS_FETCHED);
        }
    }
    memcpy(w->best_totals, w->totals, sizeof(int64_t) * 4);
    w->best_balance[0] = w->balance[0];
    w->best_energy[0] = energy_of(t, w);
}

/* Whether the solution is better than the best, tier by tier. */
static int is_better(T t, W w) {
    const int64_t *new = w->totals, *old = w->best_totals;
    if (new[SUM_POINTS] != old[SUM_POINTS]) return new[SUM_POINTS] < old[SUM_POINTS];
    int64_t late = new[SUM_LATENESS] + new[SUM_WORST] - old[SUM_LATENESS] - old[SUM_WORST];
    int64_t wishes = new[SUM_WISHES] + w->balance[0] - old[SUM_WISHES] - w->best_balance[0];
    if (t->weights[1] == 1.0) return late + wishes < 0;
    if (t->weights[1] > 1.0) return late < 0 || (late == 0 && wishes < 0);
    return wishes < 0 || (wishes == 0 && late < 0);
}

/* Remembers the changed routes, the cheapest order for each set of visits and kind of vehicle. */
static void pool_touched(T t, W w, int64_t energy) {
    int64_t buckets = SIZE(POOL) / 4;
    for (int64_t i = 1; i <= w->touched[0]; i++) {
        int64_t r = w->touched[i], count = FACT(r, COUNT);
        if (!count) continue;
        uint64_t signature = (uint64_t)(VEHICLE(r, KIND) + 1) * UINT64_C(0x9E3779B97F4A7C15);
        for (int64_t k = 1; k <= count; k++) {
            uint64_t value = (uint64_t)(STOP(r, k) + 1) * UINT64_C(0xBF58476D1CE4E5B9);
            value = (value ^ (value >> 29)) * UINT64_C(0x94D049BB133111EB);
            signature += value ^ (value >> 32);
        }
        int64_t signed_ = (int64_t)((signature ^ (signature >> 31)) >> 1), base = signed_ % buckets * 4;
        int64_t chosen = base, known = -1;
        for (int64_t way = base; way < base + 4; way++) {
            if (w->pool_facts[way * POOL_COLUMNS + POOL_COUNT] && w->pool_facts[way * POOL_COLUMNS + POOL_SIGNATURE] == signed_) {
                known = way;
                break;
            }
            if (w->pool_facts[way * POOL_COLUMNS + POOL_AGE] < w->pool_facts[chosen * POOL_COLUMNS + POOL_AGE]) chosen = way;
        }
        w->pool_age[0]++;
        int64_t *facts = w->pool_facts + (known < 0 ? chosen : known) * POOL_COLUMNS;
        facts[POOL_AGE] = w->pool_age[0];
        facts[POOL_ENERGY] = known < 0 ? energy : least(energy, facts[POOL_ENERGY]);
        double dearer = t->weights[1] * (double)(FACT(r, LATENESS) - facts[POOL_LATENESS]) +
                        (double)(FACT(r, WISHES) - facts[POOL_WISHES]);
        if (known >= 0 && dearer >= 0) continue;
        facts[POOL_VEHICLE] = r, facts[POOL_COUNT] = count, facts[POOL_SIGNATURE] = signed_;
        facts[POOL_LATENESS] = FACT(r, LATENESS), facts[POOL_WISHES] = FACT(r, WISHES);
        int64_t row = (known < 0 ? chosen : known) * SIZE(WIDTH);
        for (int64_t k = 1; k <= count; k++) {
            w->pool[row + k - 1] = STOP(r, k);
            w->pool_starts[row + k - 1] = WHERE(STOP(r, k), START);
        }
    }
}

/* Behind the removed: those that were not served before. */
static int64_t list_absent(T t, W w, int64_t count) {
    for (int64_t visit = 0; visit < SIZE(VISITS); visit++)
        if (!w->fresh[visit] && !is_served(t, w, visit)) w->absent[count++] = (int32_t)visit;
    return count;
}

/* Behind the removed: those near the ruin that were not served before. */
static int64_t list_absent_near(T t, W w, int64_t count) {
    const int32_t *near = t->neighbours + w->seed[0] * SIZE(NEIGHBOURS);
    for (int64_t i = 0; i < SIZE(NEIGHBOURS); i++)
        if (!w->fresh[near[i]] && !is_served(t, w, near[i])) w->absent[count++] = near[i];
    return count;
}

/* Drives every route of the state as it stands (`routes`, COUNT of `facts`, `where`) and counts the totals. */
int64_t begin(T t, W w) {
    int good = 1;
    memset(w->totals, 0, sizeof(int64_t) * 4);
    w->balance[0] = 0;
    w->level[0] = 0;
    forget_touches(t, w);
    memset(w->used, 0, sizeof(int32_t) * (size_t)(SIZE(TECHNICIANS) * SIZE(PARTS)));
    memset(w->fetched, 0, sizeof(int32_t) * (size_t)(SIZE(STOCKS) * SIZE(PARTS)));
    for (int64_t slot = 0; slot < SIZE(SLOTS); slot++) {
        WHERE(slot, ROUTE) = -1, WHERE(slot, BOUND) = -LATE;
        WHERE(slot, STANDS) = (int32_t)SLOT(slot, PLACE), WHERE(slot, IS_FETCHED) = 0;
    }
    for (int64_t r = 0; r < SIZE(VEHICLES); r++) {
        for (int c = 1; c < FACT_COLUMNS; c++) FACT(r, c) = 0;
        for (int64_t k = 1; k <= FACT(r, COUNT); k++) {
            int64_t slot = STOP(r, k);
            WHERE(slot, ROUTE) = (int32_t)r, WHERE(slot, POSITION) = (int32_t)k, WHERE(slot, START) = -LATE;
            FACT(r, ROUTE_LINKED) |= SLOT(slot, IS_LINKED);
            good &= has_room(t, w, r, slot);
            FACT(r, LOADED) += SLOT(slot, LOAD);
            if (SIZE(PARTS)) count_parts(t, w, r, slot, 1);
        }
    }
    for (int64_t visit = 0; visit < SIZE(VISITS); visit++)
        if (!is_served(t, w, visit)) note_served(t, w, visit, -1);
    remember_totals(w);
    for (int64_t r = 0; r < SIZE(VEHICLES); r++) touch(t, w, r);
    if (SIZE(GROUPS)) good &= settle(t, w);
    else
        for (int64_t r = 0; r < SIZE(VEHICLES); r++) {
            good &= judge(t, w, r);
            add_to_totals(w, r, 1);
            refresh_times(t, w, r);
        }
    note_worst(t, w);
    forget_touches(t, w);
    return good;
}

/* Fills the plan by one of the orders, mandatory visits first; what is out afterwards fits nowhere or is not worth it. */
int64_t construct(T t, W w, int64_t order) {
    int64_t count = list_absent(t, w, 0);
    for (int64_t i = 0; i < count; i++) {
        int64_t visit = w->absent[i];
        w->keys[visit] = t->orders[order * SIZE(VISITS) + visit] + (VISITS(visit, POINTS) ? 0 : 1e15);
    }
    sort_by_keys(w, count);
    int64_t good = 1;
    w->opening[0] = 0;
    /* What breaks the plan stays out alone: on a large day something always does. */
    for (int64_t i = 0; i < count; i++) {
        remember_totals(w);
        if (put_back(t, w, w->absent[i], 0.0, 1)) {
            forget_touches(t, w);
        } else {
            take_back(t, w);
            good = 0;
        }
    }
    note_worst(t, w);
    return good;
}

/* Makes the state the best solution, if it is better. */
int64_t keep_if_better(T t, W w) {
    if (!is_better(t, w)) return 0;
    keep_best(t, w);
    return 1;
}

void keep(T t, W w) { keep_best(t, w); }

/* How often the first visit that is put back opens a route of its own. */
#define OPENING_CHANCE 0.02

/* So many iterations, the temperature falling from `hot` to `cold`; how often the best was improved. */
int64_t anneal(T t, W w, int64_t iterations, double hot, double cold, double removed_mean, double string_max,
               double blink, double pool_within) {
    int64_t improved = 0;
    if (!SIZE(VISITS)) return 0;
    w->blink[0] = next_blink(w, blink);
    double temperature = hot, factor = pow(cold / hot, 1.0 / (double)most(1, iterations)), energy = energy_of(t, w);
    for (int64_t i = 0; i < iterations; i++) {
        temperature *= factor;
        int64_t balance = w->balance[0];
        remember_totals(w);
        int64_t removed = ruin(t, w, removed_mean, string_max);
        memcpy(w->removed, w->absent, sizeof(int32_t) * (size_t)removed);
        w->opening[0] = chance(w) < OPENING_CHANCE;
        int good = drive_touched(t, w);
        if (good) {
            int64_t count = list_absent_near(t, w, removed);
            sort_absent(t, w, count);
            good = recreate(t, w, count, blink, 0);
        }
        for (int64_t k = 0; k < removed; k++) w->fresh[w->removed[k]] = 0;
        if (good) note_worst(t, w);
        double new = good ? energy_of(t, w) : INFINITY;
        if (new <= w->best_energy[0] + pool_within) pool_touched(t, w, (int64_t)fmax(-1e18, new - w->best_energy[0]));
        if (good && new < energy - temperature * log(1.0 - chance(w))) {
            energy = new;
            if (is_better(t, w)) {
                improved++;
                keep_best(t, w);
            }
            forget_touches(t, w);
        } else {
            take_back(t, w);
            w->balance[0] = balance;
        }
    }
    return improved;
}
