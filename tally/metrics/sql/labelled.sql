-- The label of every tenant: its own for the oldest ones, up to the bound, and one for all others.
with labelled as (
    select
        tenant_id,
        case
            when row_number() over (order by created_at, tenant_id) <= %(max_tenants)s then tenant_id
            else %(other)s
        end as tenant
    from tally.tenants
)
