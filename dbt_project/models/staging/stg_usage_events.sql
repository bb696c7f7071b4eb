-- Not through a CTE: Postgres would work out every row's hash where it scans, also for whom only a few rows' hashes matter.
select
    tenant_id,
    idempotency_key,
    customer_ref,
    metric,
    quantity,
    event_time,
    properties,
    landed_at,
    seq,
    xid,
    -- A row's text quotes what needs it, so two payloads never read alike; no part of it depends on a session's settings.
    -- What an erased row said cannot be read from it any more: its hash was kept, so that a retry is still a repeat.
    coalesce(
        payload_hash,
        md5(
            row(
                customer_ref,
                metric,
                trim_scale(quantity),
                extract(epoch from event_time),
                tally.canonical_properties(properties)
            )::text
        )::uuid
    ) as payload_hash
from {{ source('raw', 'usage_events') }}
