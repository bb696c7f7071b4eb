-- What a person decided about a conflict. An event in tally.event_reversals no longer counts; what replaces it is an event of its own.
create table tally.conflict_decisions (
    tenant_id       text        not null references tally.tenants,
    idempotency_key text        not null,
    xid             xid8        not null,
    seq             bigint      not null,
    decision        text        not null check (decision in ('keep_first', 'replace')),
    replacement_key text,
    note            text        not null default '',
    decided_at      timestamptz not null,
    decided_by      text        not null check (decided_by <> ''),
    primary key (tenant_id, idempotency_key, xid, seq),
    check ((decision = 'replace') = (replacement_key is not null))
);
comment on table tally.conflict_decisions is 'One row per conflicting delivery that a person has decided about; the others are open.';

create table tally.event_reversals (
    tenant_id       text        not null references tally.tenants,
    idempotency_key text        not null,
    reason          text        not null,
    reversed_at     timestamptz not null,
    reversed_by     text        not null check (reversed_by <> ''),
    primary key (tenant_id, idempotency_key)
);
comment on table tally.event_reversals is 'Events that a person took out of an open counter. Their rows stay; replaying the counter leaves them out.';
