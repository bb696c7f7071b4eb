"""The statements of a restamp."""

from typing import Final

from tally.backup.relations import Relation

HAS_FOREIGN_BOUND: Final = """
select exists (select from tally.model_bounds where system_identifier <> tally.cluster_identifier())
"""
HAS_BOUND: Final = "select exists (select from tally.model_bounds where read_to > '0')"
IS_UNFINISHED: Final = "select exists (select from tally.restamps where finished_at is null)"
HAS_ROWS_BEYOND: Final = """
select exists (select from raw.usage_events where xid >= pg_snapshot_xmax(pg_current_snapshot()))
"""
BOUNDS_BEYOND: Final = """
select model from tally.model_bounds where read_to > pg_snapshot_xmax(pg_current_snapshot())
"""
ADOPT_BOUNDS: Final = """
update tally.model_bounds set system_identifier = tally.cluster_identifier()
where system_identifier <> tally.cluster_identifier()
returning model
"""
CLUSTERS: Final = """
select
    (
        select coalesce(array_agg(distinct system_identifier), '{}') from tally.model_bounds
        where system_identifier <> tally.cluster_identifier()
    ),
    tally.cluster_identifier(),
    exists (
        select from tally.model_bounds where system_identifier = tally.cluster_identifier() and read_to > '0'
    ),
    (select from_cluster from tally.restamps where finished_at is null),
    (select to_cluster from tally.restamps where finished_at is null)
"""
# Every bound is a step. So is the first id of each day, so that what landed on one day can still be found by its id;
# of many days only as many as there are ids below this cluster's, two a step.
BEGIN: Final = """
with bounds as (
    select distinct read_to from tally.model_bounds where read_to > '0'
),

firsts as (
    select distinct first.xid::xid8 as xid, dense_rank() over (order by first.xid::xid8) as number
    from unnest(%(firsts)s::text[]) as first (xid)
    where first.xid is not null and first.xid::xid8 < (select max(read_to) from bounds)
),

room as (
    select
        greatest(
            1,
            (
                pg_snapshot_xmin(pg_current_snapshot())::text::numeric
                - 3 - %(kept_free)s - 2 * (select count(*) + 1 from bounds)
            ) / 2
        ) as steps,
        (select count(*) from firsts) as days
),

steps as (
    select read_to as step from bounds
    union
    select firsts.xid from firsts, room where firsts.number %% ceil(room.days / room.steps)::bigint = 0
),

gathered as (
    select coalesce(array_agg(step order by step), '{}') as steps from steps
)

insert into tally.restamps (from_cluster, to_cluster, steps, unread_from)
select
    %(from_cluster)s, %(to_cluster)s, gathered.steps,
    coalesce(width_bucket((select max(read_to) from bounds), gathered.steps), 0)
from gathered
"""
BOUNDS: Final = """
select bound.model, bound.read_to::text, tally.restamped_xid(bound.read_to, restamp.steps)::text
from tally.model_bounds as bound
cross join tally.restamps as restamp
where bound.read_to > '0'
order by bound.model
"""
MOVE_BOUNDS: Final = """
update tally.model_bounds as bound
set
    read_to = case when bound.read_to > '0' then tally.restamped_xid(bound.read_to, restamp.steps) else '0' end,
    system_identifier = restamp.to_cluster
from tally.restamps as restamp
"""
# A row that its own transaction landed on this cluster has that transaction's id; one that a restore copied, another.
# A copying transaction is known by the other rows it wrote, should one of them have carried the very id that it got.
_COPIED: Final = """
copying as materialized (
    select distinct xmin::text as id from {relation} where xmin::text <> (xid::text::numeric % 4294967296)::text
)
"""
# What no model has read gets the id at the newest bound, whatever its old one was.
LANDED: Final = f"""
with {_COPIED}
update {{relation}} as landed
set xid = case
    when stands.is_unread then (3 + 2 * restamp.unread_from)::text::xid8
    else tally.restamped_xid(landed.xid, restamp.steps, stands.is_repeat)
end
from
    tally.restamps as restamp
    cross join {{relation}} as delivery
    left join ledger.int_usage_events_deduplicated as event
        on event.tenant_id = delivery.tenant_id and event.idempotency_key = delivery.idempotency_key
    cross join lateral (
        select
            event.xid is null or width_bucket(delivery.xid, restamp.steps) >= restamp.unread_from as is_unread,
            (event.xid, event.seq) <> (delivery.xid, delivery.seq) as is_repeat
    ) as stands
where landed.ctid = delivery.ctid
    and landed.xmin::text in (select id from copying)
"""
LANDED_UNREAD: Final = f"""
with {_COPIED}
update {{relation}} as landed
set xid = (3 + 2 * restamp.unread_from)::text::xid8
from tally.restamps as restamp
where landed.xmin::text in (select id from copying)
"""
HAS_READ_ROWS_OF_THIS_CLUSTER: Final = f"""
with {_COPIED}
select exists (
    select
    from {{relation}} as landed
    inner join ledger.int_usage_events_deduplicated as event using (tenant_id, idempotency_key, xid, seq)
    where landed.xmin::text = (landed.xid::text::numeric % 4294967296)::text
        and landed.xmin::text not in (select id from copying)
)
"""


def ledger_update(relation: Relation) -> str:
    """Rewrite the relation's columns of transaction ids."""
    changes = ", ".join(
        f"{column} = tally.restamped_xid(row.{column}, restamp.steps, {str(repeats).lower()})"
        for column, repeats in relation.columns
    )
    return f"update {relation.name} as row set {changes} from tally.restamps as restamp"
