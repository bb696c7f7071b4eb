-- Shadow mode: a metric's counters go to a test account too, beside the live one. The account's name keeps the two apart
-- in every key (and with it in every identifier), and a shadow's row can never be a live one.
create table tally.shadow_mappings (
    tenant_id  text    not null,
    metric     text    not null,
    event_name text    not null check (length(event_name) between 1 and 100),
    account    text    not null default 'shadow' check (account ~ '^shadow(:acct_\w+)?$'),
    active     boolean not null default true,
    primary key (tenant_id, metric),
    unique (tenant_id, account, event_name),
    foreign key (tenant_id, metric) references tally.price_mappings
);
comment on table tally.shadow_mappings is 'One row per metric whose counters go to a test account in parallel: the meter of that account, by its event name.';
comment on column tally.shadow_mappings.account is '"shadow", the account of STRIPE_SHADOW_API_KEY, or one connected to it ("shadow:acct_...").';

create view tally.push_mappings as
select tenant_id, metric, event_name, account, active from tally.price_mappings
union all
select shadow.tenant_id, shadow.metric, shadow.event_name, shadow.account, shadow.active and live.active
from tally.shadow_mappings as shadow
inner join tally.price_mappings as live using (tenant_id, metric);
comment on view tally.push_mappings is 'Where counters go: live, and with its own account as shadow. A shadow ends with its live mapping.';

create function tally.is_shadow(account text) returns boolean
language sql immutable
    return account ~ '^shadow(:|$)';

alter table tally.price_mappings add constraint price_mappings_are_no_shadows check (not tally.is_shadow(account));
alter table tally.push_intents add constraint shadows_are_not_live check (not (livemode and tally.is_shadow(account)));
alter table tally.stripe_subscription_items add constraint shadows_are_not_live check (not (livemode and tally.is_shadow(account)));
alter table tally.stripe_totals add constraint shadows_are_not_live check (not (livemode and tally.is_shadow(account)));
