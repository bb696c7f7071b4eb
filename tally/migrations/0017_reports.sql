-- Reconciliation reports as they were made: what a run said, and the lines that it found otherwise than the run before.
create table tally.report_runs (
    tenant_id       text        not null references tally.tenants,
    run_id          bigint      not null generated always as identity,
    starting_from   timestamptz not null,
    starting_before timestamptz not null check (starting_before > starting_from),
    made_at         timestamptz not null,
    tenant_name     text        not null,
    epsilon         numeric     not null,
    verdict         text        not null check (verdict in ('ok', 'break', 'missing', 'unmapped', 'empty')),
    ok              integer     not null,
    breaks          integer     not null,
    missing         integer     not null,
    unmapped        integer     not null,
    amounts         jsonb       not null,
    worst_drift     jsonb       not null,
    line_columns    text[]      not null,
    lines_hash      text        not null,
    base_run        bigint,
    lines_kept      boolean     not null default true,
    primary key (tenant_id, run_id)
);
create index report_runs_of_span on tally.report_runs (tenant_id, starting_from, starting_before, run_id);
comment on table tally.report_runs is 'One row per report on a tenant''s periods that start in [starting_from, starting_before). Ids rise in the order of commits.';
comment on column tally.report_runs.amounts is 'Billed minor units by currency, exact, as text.';
comment on column tally.report_runs.worst_drift is 'By metric: the largest drift ratio of its lines, as text; null where none is known.';
comment on column tally.report_runs.lines_hash is 'SHA-256 of all lines as of this run: what is read back must give it again.';
comment on column tally.report_runs.base_run is 'The run before it that holds all of its lines; null: it does itself. What came between is in the runs between.';
comment on column tally.report_runs.lines_kept is 'False once `tally reports prune` has let its lines go: the row stays for the charts, the files cannot be made again.';

create table tally.report_lines (
    tenant_id       text        not null,
    run_id          bigint      not null,
    starting_from   timestamptz not null,
    starting_before timestamptz not null,
    customer_ref    text        not null,
    metric          text        not null,
    period_start    timestamptz not null,
    account         text,
    livemode        boolean,
    customer_name   text        not null,
    line            jsonb,
    unique nulls not distinct (tenant_id, run_id, customer_ref, metric, period_start, account, livemode),
    foreign key (tenant_id, run_id) references tally.report_runs
);
comment on table tally.report_lines is 'A line whose content a run found otherwise than the run before it on the same span. As of a run, a line is its newest row from base_run up to it.';
comment on column tally.report_lines.line is 'A row of marts.reconciliation_lines, numbers as text; null: the line was gone.';

create function tally.report_runs_stay() returns trigger language plpgsql as $$
begin
    raise exception 'report run % of % stays as it was made', old.run_id, old.tenant_id;
end
$$;
create trigger report_runs_stay before update on tally.report_runs for each row
    when (new.lines_kept or to_jsonb(new) - 'lines_kept' is distinct from to_jsonb(old) - 'lines_kept')
    execute function tally.report_runs_stay();
create trigger report_lines_stay before update on tally.report_lines for each row
    execute function tally.report_runs_stay();
