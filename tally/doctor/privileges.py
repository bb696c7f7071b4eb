"""Under which role this process works, and whether it can do more than that role needs."""

from collections.abc import Iterator

from tally import roles
from tally.doctor.patient import Patient
from tally.doctor.result import Result, ok, warning, wrong
from tally.roles.declared import OWNERS, ROLES, Role

CHECK = "role"
_FIX = "give each service a role of its own: `tally roles apply`, docs/security.md"
_SELF = "select current_user::text, session_user::text, rolsuper from pg_roles where rolname = current_user"
_MEMBER_OF = "select rolname::text from pg_roles where rolname = any (%(names)s) and pg_has_role(oid, 'usage')"
_HELD = """
select namespace.nspname::text, relation.relname::text, privilege
from pg_class as relation
inner join pg_namespace as namespace on namespace.oid = relation.relnamespace
cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as privilege
where namespace.nspname = any (%(schemas)s) and relation.relkind in ('r', 'p', 'v') and not relation.relispartition
    and has_table_privilege(relation.oid, privilege)
order by 1, 2, 3
"""


def privileges(patient: Patient) -> Iterator[Result]:
    """Who the process is to Postgres, what it has too much of, and whether the grants are as declared."""
    assert patient.connection is not None
    [(user, session, is_superuser)] = patient.rows(_SELF)
    as_whom = f"works as {user}" + (f" (logged in as {session})" if session != user else "")
    if is_superuser and patient.is_embedded:
        yield ok(CHECK, f"{as_whom}, the embedded server's own superuser: nobody else is on this server")
    elif is_superuser:
        yield warning(CHECK, f"{as_whom}, a superuser: whoever takes over one service has everything", _FIX)
    elif held := _roles_of(patient):
        yield from _surplus(patient, as_whom, held)
    else:
        yield warning(CHECK, f"{as_whom}, which is none of our roles", _FIX)
    if roles.are_in_use(patient.connection) and (todo := roles.plan(patient.connection)):
        yield wrong(
            CHECK, f"{len(todo)} grants are not as this version declares them, first: {todo[0]}", "`tally roles apply`"
        )


def _roles_of(patient: Patient) -> list[Role]:
    names = {name for (name,) in patient.rows(_MEMBER_OF, {"names": list(roles.NAMES)})}
    return [role for role in ROLES if role.name in names]


def _surplus(patient: Patient, as_whom: str, held: list[Role]) -> Iterator[Result]:
    names = {role.name for role in held}
    # The last one in the list that is held is the widest: the others come with it.
    service = next(role for role in held if not any(role.name in other.member_of for other in held))
    surplus = [
        f"{privilege} on {schema}.{relation}"
        for schema, relation, privilege in patient.rows(_HELD, {"schemas": list(OWNERS)})
        if OWNERS[schema] not in names and not any(privilege in role.privileges(schema, relation) for role in held)
    ]
    if surplus:
        more = f" and {len(surplus) - 3} more" if len(surplus) > 3 else ""
        found = f"{as_whom} with {service.name}, and may also: {', '.join(surplus[:3])}{more}"
        yield warning(CHECK, found, "revoke what somebody granted by hand; `tally roles list` says what is needed")
    else:
        yield ok(CHECK, f"{as_whom} with {service.name}, and can do nothing beyond it: {service.purpose}")
