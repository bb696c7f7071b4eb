-- Webhooks belong to accounts, not to tenants. They are dated in real time, whatever the pipeline's clock says.
, open_webhooks as (
    select state, received_at from tally.stripe_webhooks where state in ('received', 'failed')
)

select 'tally_webhooks_open', array[state], count(received_at)::float8
from unnest(array['received', 'failed']) as state
left join open_webhooks using (state)
group by state
union all
select
    'tally_webhooks_oldest_waiting_age_seconds',
    '{}',
    coalesce(max(extract(epoch from clock_timestamp() - received_at)) filter (where state = 'received'), 0)::float8
from open_webhooks
