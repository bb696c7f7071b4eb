"""The statements that lead from the roles and grants that are there to those declared; none when they agree."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql

from tally.roles.declared import ADMIN, LOOP, MADE_LATER, NAMES, OWNERS, ROLES

_KNOWN = "select rolname from pg_roles where rolname = any (%(roles)s)"
_MEMBERS = """
select pg_get_userbyid(member), pg_get_userbyid(roleid) from pg_auth_members
where pg_get_userbyid(member) = any (%(roles)s)
"""
_SELF = """
select current_user::text, rolsuper, current_database()::text,
    exists (
        select from pg_database, aclexplode(datacl) as acl
        where datname = current_database() and acl.privilege_type = 'CREATE'
            and pg_get_userbyid(acl.grantee) = %(admin)s
    ) or exists (
        select from pg_database where datname = current_database() and pg_get_userbyid(datdba) = %(admin)s
    )
from pg_roles where rolname = current_user
"""


def plan(connection: psycopg.Connection[Any]) -> list[str]:
    """SQL statements, in the order in which they have to run. Reads the catalogue, changes nothing."""
    return [statement.as_string(connection) for statement in _statements(connection)]


def _statements(connection: psycopg.Connection[Any]) -> Iterator[sql.Composed]:
    [(user, is_superuser, database, admin_creates)] = _rows(connection, _SELF)
    known = {name for (name,) in _rows(connection, _KNOWN)}
    members = set(_rows(connection, _MEMBERS))
    for role in ROLES:
        if role.name not in known:
            yield _sql("create role {} nologin", role.name)
    for role in ROLES:
        for group in role.member_of:
            if (role.name, group) not in members:
                yield _sql("grant {} to {}", group, role.name)
    if not is_superuser and ADMIN not in known:
        yield _sql("grant {} to {}", ADMIN, user)  # who makes the roles hands the schema over to them
    if not admin_creates:
        yield _sql("grant create on database {} to {}", database, ADMIN)
    yield from _schemas(connection)
    yield from _relations(connection)
    yield from _functions(connection)
    yield from _made_later(connection)


def _schemas(connection: psycopg.Connection[Any]) -> Iterator[sql.Composed]:
    found = {name: (owner, granted) for name, owner, granted in _rows(connection, _text("schemas"))}
    for schema, owner in OWNERS.items():
        if schema not in found:
            yield _sql("create schema {} authorization {}", schema, owner)
        elif found[schema][0] != owner:
            yield _sql("alter schema {} owner to {}", schema, owner)
        granted = found.get(schema, (owner, {}))[1]
        for role in ROLES:
            wanted = {"usage"} if schema in role.schemas and role.name != owner else set()
            wanted |= {"create"} if schema in role.creates_in and role.name != owner else set()
            yield from _difference("schema {}", (schema,), role.name, wanted, set(granted.get(role.name, ())))


def _relations(connection: psycopg.Connection[Any]) -> Iterator[sql.Composed]:
    for schema, name, kind, owner, is_partition, is_owned, granted, by_column in _rows(connection, _text("relations")):
        # A sequence of a column goes where its table goes. Dagster's tables may be the loop's, if it came first.
        if owner not in {OWNERS[schema], LOOP if schema == "dagster" else ""} and not is_owned:
            yield _sql(f"alter {kind} {{}}.{{}} owner to {{}}", schema, name, OWNERS[schema])
        for role in ROLES:
            has = set(granted.get(role.name, ()))
            if role.name in (owner, OWNERS[schema]) or is_partition or (is_owned and schema != "dagster"):
                wanted: set[str] = set()
            elif kind == "sequence" and schema == "dagster":
                wanted = {"select", "usage", "update"} if role.privileges(schema, name) else set()
            else:
                wanted = set(role.privileges(schema, name))
            target = "sequence {}.{}" if kind == "sequence" else "{}.{}"
            yield from _difference(target, (schema, name), role.name, wanted, has)
            yield from _columns(schema, name, role.name, role.columns.get(f"{schema}.{name}", {}), by_column)


def _columns(schema: str, name: str, role: str, wanted: Any, by_column: Any) -> Iterator[sql.Composed]:
    held = {key.split(" ")[1]: set(columns) for key, columns in by_column.items() if key.split(" ")[0] == role}
    for privilege in sorted({*wanted, *held}):
        has, wants = held.get(privilege, set()), set(wanted.get(privilege, ()))
        for verb, names, way in (("revoke", has - wants, "from"), ("grant", wants - has, "to")):
            if names:
                listed = sql.SQL(", ").join(map(sql.Identifier, sorted(names)))
                yield sql.SQL(f"{verb} {privilege} ({{}}) on {{}}.{{}} {way} {{}}").format(
                    listed, sql.Identifier(schema), sql.Identifier(name), sql.Identifier(role)
                )


def _functions(connection: psycopg.Connection[Any]) -> Iterator[sql.Composed]:
    for name, signature, owner, with_owners_rights, callers in _rows(connection, _text("functions")):
        wanted_owner = OWNERS[name.partition(".")[0]]
        routine = sql.SQL(signature)
        if owner != wanted_owner:
            yield sql.SQL("alter routine {} owner to {}").format(routine, sql.Identifier(wanted_owner))
        if not with_owners_rights:
            continue
        if "" in callers:
            yield sql.SQL("revoke execute on routine {} from public").format(routine)
        for role in ROLES:
            if name in role.functions and role.name != wanted_owner and role.name not in callers:
                yield sql.SQL("grant execute on routine {} to {}").format(routine, sql.Identifier(role.name))


def _made_later(connection: psycopg.Connection[Any]) -> Iterator[sql.Composed]:
    held = {row[:4]: set(row[4]) for row in _rows(connection, _text("made_later"))}
    for maker, schema, kind, privileges, role in MADE_LATER:
        if set(privileges.split(", ")) - held.get((maker, schema, kind, role), set()):
            text = f"alter default privileges for role {{}} in schema {{}} grant {privileges} on {kind} to {{}}"
            yield _sql(text, maker, schema, role)


def _difference(
    target: str, names: tuple[str, ...], role: str, wanted: set[str], has: set[str]
) -> Iterator[sql.Composed]:
    if surplus := sorted(has - wanted):
        yield _sql(f"revoke {', '.join(surplus)} on {target} from {{}}", *names, role)
    if missing := sorted(wanted - has):
        yield _sql(f"grant {', '.join(missing)} on {target} to {{}}", *names, role)


def _sql(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))


def _text(name: str) -> str:
    return (files(__package__) / "sql" / f"{name}.sql").read_text()


def _rows(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        query.encode(), {"roles": list(NAMES), "schemas": list(OWNERS), "admin": ADMIN}
    ).fetchall()
