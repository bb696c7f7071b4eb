, open_intents as (
    select
        labelled.tenant,
        case when tally.is_shadow(intent.account) then 'shadow' when intent.livemode then 'live' else 'test' end as mode,
        intent.state,
        min(intent.planned_at) as oldest
    from tally.push_intents as intent
    inner join labelled using (tenant_id)
    where intent.state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')
    group by 1, 2, 3
),

held_up as (
    select
        case when tally.is_shadow(account) then 'shadow' when livemode then 'live' else 'test' end as mode,
        case when stopped_at is not null then 'stopped' when failures >= %(open_from)s then 'circuit' else 'paused' end as reason
    from tally.push_accounts
    where stopped_at is not null or failures >= %(open_from)s or paused_until > clock_timestamp()
)

select
    'tally_push_oldest_open_intent_age_seconds',
    array[tenant, mode, state],
    greatest(0, extract(epoch from tally.now() - oldest))::float8
from open_intents
union all
select 'tally_push_accounts_held_up', array[mode, reason], count(*)::float8 from held_up group by mode, reason
union all
select 'tally_push_mappings_paused', array[tenant], count(*)::float8
from tally.mapping_pauses
inner join labelled using (tenant_id)
group by tenant
