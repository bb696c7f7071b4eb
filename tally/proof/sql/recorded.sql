{%- from 'wanted.sql' import wanted -%}
-- What was recorded of the lines asked about, oldest first.
with {{ wanted() }}

select
    wanted.position,
    proof.account,
    proof.livemode,
    proof.number,
    proof.recorded_at,
    proof.recorded_by,
    proof.invoice_id,
    proof.invoice_status,
    proof.counter_read_to,
    proof.counter_cluster,
    proof.facts,
    proof.differences,
    proof.fingerprint,
    -- Of nobody else: a fingerprint that somebody put there proves nothing.
    case when erasure.erasure_id is not null then proof.erased_fingerprint end as erased_fingerprint
from tally.invoice_line_proofs as proof
inner join wanted using (customer_ref, metric, period_start)
left join tally.erasures as erasure
    on proof.tenant_id = erasure.tenant_id
    and proof.customer_ref = erasure.pseudonym
where proof.tenant_id = %(tenant_id)s
order by wanted.position, proof.number
