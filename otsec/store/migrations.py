"""The numbered migrations of the store: only ever added, never changed.

A migration is applied with its record in one transaction, so a store is always of exactly one
version: the number of the last record.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from otsec.store import chain

APPLICATION_ID = 0x4F54_5345  # "OTSE" in the file's header tells a store from other databases


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from one version of the schema to the next."""

    name: str
    statements: tuple[str, ...]
    then: Callable[[sqlite3.Connection], None] | None = None  # what SQL alone cannot compute


_TABLES_OF_1 = (
    """
CREATE TABLE migration (
    number INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
)
""",
    """
CREATE TABLE site_source (
    id INTEGER NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    point TEXT NOT NULL,
    point_group TEXT NOT NULL,
    interface TEXT NOT NULL,
    UNIQUE (site, point, interface)
)
""",
    """
CREATE TABLE capture (
    id INTEGER NOT NULL,
    source INTEGER NOT NULL,
    path TEXT NOT NULL,
    head_length INTEGER NOT NULL,
    head_hash TEXT NOT NULL,
    tail_hash TEXT NOT NULL,
    position INTEGER NOT NULL,
    packets INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    damage TEXT NOT NULL,
    reader_state TEXT NOT NULL,
    PRIMARY KEY (id)
)
""",
    """
CREATE TABLE clock (
    source INTEGER NOT NULL,
    packets INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    virtual_ns INTEGER NOT NULL,
    PRIMARY KEY (source)
)
""",
    """
CREATE TABLE station (
    source INTEGER NOT NULL,
    number INTEGER NOT NULL,
    place TEXT NOT NULL,
    mac TEXT NOT NULL,
    address TEXT NOT NULL,
    frames INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    PRIMARY KEY (source, number)
)
""",
    """
CREATE TABLE conversation (
    source INTEGER NOT NULL,
    number INTEGER NOT NULL,
    place TEXT NOT NULL,
    kind INTEGER NOT NULL,
    client TEXT NOT NULL,
    server TEXT NOT NULL,
    service TEXT NOT NULL,
    client_reason TEXT NOT NULL,
    protocol TEXT NOT NULL,
    claimed_by TEXT NOT NULL,
    doubtful INTEGER NOT NULL,
    connections INTEGER NOT NULL,
    packets_out INTEGER NOT NULL,
    packets_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL,
    payload_out INTEGER NOT NULL,
    payload_in INTEGER NOT NULL,
    lost_out INTEGER NOT NULL,
    lost_in INTEGER NOT NULL,
    resent_out INTEGER NOT NULL,
    resent_in INTEGER NOT NULL,
    undecoded_out INTEGER NOT NULL,
    undecoded_in INTEGER NOT NULL,
    malformed INTEGER NOT NULL,
    truncated INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    PRIMARY KEY (source, number)
)
""",
    """
CREATE TABLE behaviour (
    source INTEGER NOT NULL,
    number INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    device TEXT NOT NULL,
    operation TEXT NOT NULL,
    class TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    packets TEXT NOT NULL,
    response_count INTEGER NOT NULL,
    response_min_us INTEGER NOT NULL,
    response_max_us INTEGER NOT NULL,
    response_sum_us INTEGER NOT NULL,
    interval_count INTEGER NOT NULL,
    interval_min_us INTEGER NOT NULL,
    interval_max_us INTEGER NOT NULL,
    interval_sum_us INTEGER NOT NULL,
    last_request_time INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (source, number)
)
""",
    """
CREATE TABLE histogram (
    source INTEGER NOT NULL,
    behaviour INTEGER NOT NULL,
    kind TEXT NOT NULL,
    buckets BLOB NOT NULL,
    PRIMARY KEY (source, behaviour, kind)
)
""",
    """
CREATE TABLE value (
    source INTEGER NOT NULL,
    behaviour INTEGER NOT NULL,
    space TEXT NOT NULL,
    first_element INTEGER NOT NULL,
    value_type INTEGER NOT NULL,
    minimum BLOB NOT NULL,
    maximum BLOB NOT NULL,
    first BLOB NOT NULL,
    last BLOB NOT NULL,
    count INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    PRIMARY KEY (source, behaviour)
)
""",
    """
CREATE TABLE fact (
    source INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    device TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value TEXT NOT NULL,
    protocol TEXT NOT NULL,
    about TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    PRIMARY KEY (source, conversation, device, attribute, value, protocol, about)
)
""",
    """
CREATE TABLE event (
    source INTEGER NOT NULL,
    packet INTEGER NOT NULL,
    part INTEGER NOT NULL,
    time INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    behaviour INTEGER NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (source, packet, part, kind, behaviour)
)
""",
    """
CREATE TABLE counter (
    source INTEGER NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    PRIMARY KEY (source, name, detail)
)
""",
    """
CREATE TABLE gap (
    source INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    begin_time INTEGER NOT NULL,
    end_time INTEGER NOT NULL,
    packet INTEGER NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (source, number)
)
""",
    """
CREATE TABLE lookup (
    source INTEGER NOT NULL,
    place TEXT NOT NULL,
    address TEXT NOT NULL,
    asked INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    PRIMARY KEY (source, place, address)
)
""",
    """
CREATE TABLE state (
    source INTEGER NOT NULL,
    module TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (source, module)
)
""",
    """
CREATE TABLE checkpoint (
    source INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (source)
)
""",
    """
CREATE TABLE act (
    number INTEGER NOT NULL PRIMARY KEY,
    time INTEGER NOT NULL,
    who TEXT NOT NULL,
    kind TEXT NOT NULL,
    asset TEXT NOT NULL,
    attribute TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    reason TEXT NOT NULL
)
""",
    """
CREATE TRIGGER act_unchanged BEFORE UPDATE ON act
BEGIN SELECT RAISE(ABORT, 'acts of people are never changed'); END
""",
    """
CREATE TRIGGER act_kept BEFORE DELETE ON act
BEGIN SELECT RAISE(ABORT, 'acts of people are never deleted'); END
""",
)

_SEQUENCES = (
    """
CREATE TABLE sequence (
    source INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    speaker TEXT NOT NULL,
    verdict TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    PRIMARY KEY (source, conversation, protocol, speaker, verdict)
)
""",
)

_FINDINGS = (
    """
CREATE TABLE finding (
    id TEXT NOT NULL,
    site TEXT NOT NULL,
    point_group TEXT NOT NULL,
    place TEXT NOT NULL,
    rule TEXT NOT NULL,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    level TEXT NOT NULL,
    title TEXT NOT NULL,
    client TEXT NOT NULL,
    server TEXT NOT NULL,
    service TEXT NOT NULL,
    device TEXT NOT NULL,
    protocol TEXT NOT NULL,
    count INTEGER NOT NULL,
    source INTEGER NOT NULL,
    witnesses TEXT NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    operations TEXT NOT NULL,
    objects TEXT NOT NULL,
    outcomes TEXT NOT NULL,
    techniques TEXT NOT NULL,
    falsepositives TEXT NOT NULL,
    seen TEXT NOT NULL,
    expected TEXT NOT NULL,
    why TEXT NOT NULL,
    next TEXT NOT NULL,
    doubt TEXT NOT NULL,
    incident TEXT NOT NULL,
    PRIMARY KEY (id)
)
""",
    """
CREATE TABLE finding_packet (
    source INTEGER NOT NULL,
    finding TEXT NOT NULL,
    packet INTEGER NOT NULL,
    time INTEGER NOT NULL,
    what TEXT NOT NULL,
    PRIMARY KEY (source, finding, packet, what)
)
""",
    "ALTER TABLE act ADD COLUMN login TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE act ADD COLUMN host TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE act ADD COLUMN finding TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE act ADD COLUMN seen_until INTEGER NOT NULL DEFAULT 0",
)

_HEARTBEAT = (
    """
CREATE TABLE heartbeat (
    source INTEGER NOT NULL,
    time INTEGER NOT NULL,
    span_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    packets INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    ring_percent INTEGER NOT NULL,
    lag_ms INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    units INTEGER NOT NULL,
    one_sided_percent INTEGER NOT NULL,
    decoded_percent INTEGER NOT NULL,
    recorded_bytes INTEGER NOT NULL,
    shed TEXT NOT NULL,
    clock TEXT NOT NULL,
    clock_offset_us INTEGER NOT NULL,
    PRIMARY KEY (source, time)
)
""",
)

_CONTENTS = (
    """
CREATE TABLE content (
    source INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    device TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    direction TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    reason TEXT NOT NULL,
    size INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    PRIMARY KEY (
        source, conversation, protocol, device, kind, name, direction, sha256, reason
    )
)
""",
)

_BASELINE = (
    """
CREATE TABLE baseline (
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    site TEXT NOT NULL,
    point_group TEXT NOT NULL,
    place TEXT NOT NULL,
    client TEXT NOT NULL,
    server TEXT NOT NULL,
    service TEXT NOT NULL,
    protocol TEXT NOT NULL,
    device TEXT NOT NULL,
    operation TEXT NOT NULL,
    class TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    point TEXT NOT NULL,
    packets TEXT NOT NULL,
    how TEXT NOT NULL,
    who TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (id)
)
""",
    """
CREATE TABLE baseline_scope (
    site TEXT NOT NULL,
    point_group TEXT NOT NULL,
    place TEXT NOT NULL,
    address TEXT NOT NULL,
    ended INTEGER NOT NULL,
    how TEXT NOT NULL,
    singles INTEGER NOT NULL,
    watched_ns INTEGER NOT NULL,
    PRIMARY KEY (site, point_group, place, address)
)
""",
)

_CONNECTIONS = (
    """
CREATE TABLE connection (
    source INTEGER NOT NULL,
    number INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    client_port INTEGER NOT NULL,
    connections INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    ended TEXT NOT NULL,
    packets_out INTEGER NOT NULL,
    packets_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL,
    payload_out INTEGER NOT NULL,
    payload_in INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    PRIMARY KEY (source, number)
)
""",
    "ALTER TABLE event ADD COLUMN connection INTEGER NOT NULL DEFAULT -1",
)

_STAMPS = (
    """
CREATE TABLE stamp (
    source INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    device TEXT NOT NULL,
    speaker TEXT NOT NULL,
    way TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_ahead INTEGER NOT NULL,
    last_ahead INTEGER NOT NULL,
    least_ahead INTEGER NOT NULL,
    most_ahead INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    PRIMARY KEY (source, conversation, protocol, device, speaker, way)
)
""",
)

_TIMING = (
    """
CREATE TABLE rhythm (
    source INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    device TEXT NOT NULL,
    hour INTEGER NOT NULL,
    kind TEXT NOT NULL,
    buckets BLOB NOT NULL,
    PRIMARY KEY (source, conversation, protocol, device, hour, kind)
)
""",
    """
CREATE TABLE announcement (
    source INTEGER NOT NULL,
    place TEXT NOT NULL,
    address TEXT NOT NULL,
    time INTEGER NOT NULL,
    packet INTEGER NOT NULL,
    mac TEXT NOT NULL,
    PRIMARY KEY (source, place, address, packet)
)
""",
    """
CREATE TABLE path (
    source INTEGER NOT NULL,
    place TEXT NOT NULL,
    sender TEXT NOT NULL,
    receiver TEXT NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    least_ns INTEGER NOT NULL,
    PRIMARY KEY (source, place, sender, receiver)
)
""",
    """
CREATE TABLE silence (
    source INTEGER NOT NULL,
    place TEXT NOT NULL,
    sender TEXT NOT NULL,
    receiver TEXT NOT NULL,
    begin_time INTEGER NOT NULL,
    begin_packet INTEGER NOT NULL,
    end_time INTEGER NOT NULL,
    end_packet INTEGER NOT NULL,
    least_ns INTEGER NOT NULL,
    PRIMARY KEY (source, place, sender, receiver, begin_packet)
)
""",
    """
CREATE TABLE volume (
    source INTEGER NOT NULL,
    place TEXT NOT NULL,
    sender TEXT NOT NULL,
    receiver TEXT NOT NULL,
    hour INTEGER NOT NULL,
    packets INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (source, place, sender, receiver, hour)
)
""",
)

_CHANGES = (
    """
CREATE TABLE finding_change (
    finding TEXT NOT NULL,
    change TEXT NOT NULL,
    PRIMARY KEY (finding)
)
""",
)

_CHAIN = (
    """
CREATE TABLE act_link (
    number INTEGER NOT NULL PRIMARY KEY,
    link TEXT NOT NULL
)
""",
    """
CREATE TRIGGER act_link_unchanged BEFORE UPDATE ON act_link
BEGIN SELECT RAISE(ABORT, 'links of acts are never changed'); END
""",
    """
CREATE TRIGGER act_link_kept BEFORE DELETE ON act_link
BEGIN SELECT RAISE(ABORT, 'links of acts are never deleted'); END
""",
)

_SCHEDULES = (
    """
CREATE TABLE schedule (
    name TEXT NOT NULL,
    words TEXT NOT NULL,
    cron TEXT NOT NULL,
    zone TEXT NOT NULL,
    kinds TEXT NOT NULL,
    formats TEXT NOT NULL,
    span TEXT NOT NULL,
    options TEXT NOT NULL,
    folder TEXT NOT NULL,
    targets TEXT NOT NULL,
    catch_up TEXT NOT NULL,
    keep_count INTEGER NOT NULL,
    keep_days INTEGER NOT NULL,
    hold INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (name)
)
""",
    """
CREATE TABLE report_run (
    schedule TEXT NOT NULL,
    due INTEGER NOT NULL,
    state TEXT NOT NULL,
    recorded INTEGER NOT NULL,
    period TEXT NOT NULL,
    begin INTEGER NOT NULL,
    end INTEGER NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    next_try INTEGER NOT NULL,
    error TEXT NOT NULL,
    folder TEXT NOT NULL,
    number INTEGER NOT NULL,
    manifest TEXT NOT NULL,
    hold INTEGER NOT NULL,
    PRIMARY KEY (schedule, due)
)
""",
    """
CREATE TABLE delivery (
    schedule TEXT NOT NULL,
    due INTEGER NOT NULL,
    target TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    next_try INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (schedule, due, target)
)
""",
)

_HELD = (
    """
CREATE TABLE held (
    source INTEGER NOT NULL,
    behaviour INTEGER NOT NULL,
    space TEXT NOT NULL,
    element INTEGER NOT NULL,
    value_type INTEGER NOT NULL,
    value INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (source, behaviour, first_packet)
) WITHOUT ROWID
""",
)

_BOUTS = (
    """
CREATE TABLE bout (
    source INTEGER NOT NULL,
    behaviour INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (source, behaviour, first_packet)
) WITHOUT ROWID
""",
)

_STEPS = (
    """
CREATE TABLE step (
    source INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    device TEXT NOT NULL,
    sort TEXT NOT NULL,
    earlier TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    rank INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_packet INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    last_packet INTEGER NOT NULL,
    PRIMARY KEY (source, conversation, protocol, device, sort, rank)
) WITHOUT ROWID
""",
)

MIGRATIONS = (
    Migration("tables for capture, inventory and behaviour", _TABLES_OF_1),
    Migration("counters that do not follow", _SEQUENCES),
    Migration("findings, and what people decide of them", _FINDINGS),
    Migration("heartbeats of sensors", _HEARTBEAT),
    Migration(
        "who asked for an address",
        ("ALTER TABLE lookup ADD COLUMN asker TEXT NOT NULL DEFAULT ''",),
    ),
    Migration("contents of transfers", _CONTENTS),
    Migration("what is learned to be normal", _BASELINE),
    Migration(
        "how stations open connections",
        ("ALTER TABLE station ADD COLUMN stack TEXT NOT NULL DEFAULT ''",),
    ),
    Migration(
        "findings have longer ids, and short ones to be read",
        (
            "ALTER TABLE finding ADD COLUMN short TEXT NOT NULL DEFAULT ''",
            "UPDATE finding SET short = id",  # as they are until the store is judged anew
        ),
    ),
    Migration("single connections", _CONNECTIONS),
    Migration("what clocks said", _STAMPS),
    Migration("rhythms, volumes and silences", _TIMING),
    Migration(
        "heartbeats tell of findings and rules",
        (
            "ALTER TABLE heartbeat ADD COLUMN findings INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE heartbeat ADD COLUMN rules TEXT NOT NULL DEFAULT ''",
        ),
    ),
    Migration("findings that were announced", _CHANGES),
    Migration("acts are linked by hashes", _CHAIN, chain.link_all),
    Migration("reports by schedule", _SCHEDULES),
    Migration(
        "packets of extreme values",
        (
            "ALTER TABLE value ADD COLUMN minimum_seen BLOB NOT NULL DEFAULT x''",
            "ALTER TABLE value ADD COLUMN maximum_seen BLOB NOT NULL DEFAULT x''",
        ),
    ),
    Migration("states of the plant by a value", _HELD),
    Migration("in which order messages come", _STEPS),
    Migration(
        "how far stations are", ("ALTER TABLE station ADD COLUMN ttl INTEGER NOT NULL DEFAULT 0",)
    ),
    Migration("when something was written", _BOUTS),
)
NEWEST = len(MIGRATIONS)


def version(connection: sqlite3.Connection) -> int:
    """The version of a store: 0 for an empty file.

    Raises ValueError if the database belongs to another program.
    """
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if not tables:
        return 0
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise ValueError("a database of another program")
    (number,) = connection.execute("SELECT MAX(number) FROM migration").fetchone()
    return int(number or 0)


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Apply the migrations that the store does not have yet, all in one transaction.

    So nobody who reads a new store meanwhile finds it half made. The version is read again inside
    the transaction, since another program may have been faster.
    """
    if version(connection) >= len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(version(connection), len(migrations)):
            _apply(connection, number + 1, migrations[number])
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _apply(connection: sqlite3.Connection, number: int, migration: Migration) -> None:
    for statement in migration.statements:
        connection.execute(statement)
    if migration.then is not None:
        migration.then(connection)
    connection.execute(
        "INSERT INTO migration (number, name) VALUES (?, ?)", (number, migration.name)
    )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
