select
    'tally_push_intents',
    array[
        labelled.tenant,
        case when tally.is_shadow(intent.account) then 'shadow' when intent.livemode then 'live' else 'test' end,
        intent.state
    ] as labels,
    count(*)::float8
from tally.push_intents as intent
inner join labelled using (tenant_id)
group by labels
