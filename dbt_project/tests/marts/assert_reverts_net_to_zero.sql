-- Rule: a reverted adjustment has exactly one revert, approved and of the opposite amount, and a revert has its adjustment.
-- Relies on it: whoever took a correction back. At stake: a credit taken back in part, or given twice.
with reverts as (

    select
        reverts as adjustment_id,
        tenant_id,
        sum(amount) as amount,
        count(*) as reverts
    from {{ ref('stg_adjustments') }}
    where reverts is not null
        and state = 'approved'
    group by 1, 2

)

select
    adjustment_id,
    tenant_id,
    adjustments.amount,
    reverts.amount as taken_back,
    reverts.reverts
from (select * from {{ ref('stg_adjustments') }} where state = 'reverted') as adjustments
full join reverts using (adjustment_id, tenant_id)
where (adjustments.amount + reverts.amount, reverts.reverts) is distinct from (0, 1)
