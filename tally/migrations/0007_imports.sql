-- How far each `tally import` has come: written in the transaction that lands the rows it counts.
create table tally.imports (
    tenant_id     text        not null references tally.tenants,
    file_hash     text        not null,
    reading_hash  text        not null,
    file_name     text        not null,
    rows_done     bigint      not null default 0,
    accepted      bigint      not null default 0,
    duplicates    bigint      not null default 0,
    rejected      bigint      not null default 0,
    rejects_bytes bigint      not null default 0,
    started_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    finished_at   timestamptz,
    primary key (tenant_id, file_hash, reading_hash)
);
comment on column tally.imports.file_hash is 'SHA-256 of the file: the same bytes under another name are the same import.';
comment on column tally.imports.reading_hash is 'SHA-256 of how its columns are read: read otherwise, a file gives other events.';
comment on column tally.imports.rows_done is 'The last row (of JSONL: line) that is landed or rejected; the next run goes on behind it.';
comment on column tally.imports.rejects_bytes is 'How long the file of rejects was then; what a killed run wrote behind it is cut off.';
