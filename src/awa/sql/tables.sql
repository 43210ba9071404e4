-- The data, before any code. Names are those of docs/architecture.md.
--   A job's body is written once per attempt, to an append-only log (ready).
--   Claiming n jobs is one row (claims: a set of numbers); completing them is one row (closures).
--   Which attempts are open is set algebra: claimed minus closed. Nothing here is updated or
--   deleted on the path of a plain job; space comes back by TRUNCATE of whole slots.

create table meta (
    schema_version int not null,
    installed_at timestamptz not null default clock_timestamp(),
    dead_letters boolean not null default false
);
comment on column meta.dead_letters is 'failed jobs become dead letters, in queues that do not say otherwise';
create unique index meta_one_row on meta ((true));

-- How an entry's number set ended. Only some are written by this version; the list is complete so
-- that adding an action never rewrites the type.
create type outcome as enum (
    'completed', 'released', 'lost', 'retried', 'snoozed', 'failed', 'cancelled',
    'expired', 'parked', 'withdrawn', 'moved'
);

-- ---------------------------------------------------------------------------------- control plane

-- Every claim reckons with a queue's settings: infinity or NaN would stop it, so a hundred years is the most.
create table queue_settings (
    queue_id int generated always as identity primary key,
    queue text not null unique constraint queue_length_inv check (char_length(queue) between 1 and 200),
    deadline_s double precision not null default 300 constraint deadline_inv check (deadline_s = 0 or deadline_s between 0.001 and 3153600000),
    aging_s double precision not null default 60 constraint aging_inv check (aging_s = 0 or aging_s between 0.001 and 3153600000),
    enqueue_shards smallint not null default 1 constraint shards_inv check (enqueue_shards between 1 and 64),
    dead_letters boolean,
    paused_at timestamptz,
    paused_by text,
    overrides jsonb not null default '{}' constraint overrides_inv check (jsonb_typeof(overrides) = 'object'),
    overridden_at timestamptz,
    overridden_by text,
    deadline_now_s double precision not null generated always as (coalesce((overrides ->> 'deadline_s')::double precision, deadline_s)) stored
        constraint deadline_now_inv check (deadline_now_s = 0 or deadline_now_s between 0.001 and 3153600000),
    aging_now_s double precision not null generated always as (coalesce((overrides ->> 'aging_s')::double precision, aging_s)) stored
        constraint aging_now_inv check (aging_now_s = 0 or aging_now_s between 0.001 and 3153600000)
);
comment on column queue_settings.deadline_s is 'seconds an attempt may take; 0 = no deadline';
comment on column queue_settings.aging_s is 'seconds of waiting that lift a lane by one priority; 0 = never';
comment on column queue_settings.enqueue_shards is 'lanes of each priority that new jobs are spread over; all lanes are claimed from, so fewer drains the rest';
comment on column queue_settings.overrides is 'what operators say for now, of max_workers, weight, claim_batch_size, poll_interval_ms, rate, burst, deadline_s, aging_s';
comment on column queue_settings.dead_letters is 'whether failed jobs become dead letters; null = as meta.dead_letters says';

-- A lane is the ordered stream of one (queue, priority, shard). Its numbers come from its own
-- sequence (cache 1: a session that hoards numbers would leave holes that look in flight).
-- The floor is the lane's state as the last prune left it; claims rows newer than it win.
create table lanes (
    lane int generated always as identity primary key,
    queue text not null references queue_settings (queue),
    queue_id int not null,
    priority smallint not null constraint priority_inv check (priority between 1 and 4),
    shard smallint not null constraint shard_inv check (shard >= 0),
    seq regclass not null,
    floor_no bigint not null default 0,
    floor_next bigint not null default 1,
    floor_holes int8multirange not null default '{}',
    floor_holes_xid xid8,
    floor_young int8multirange not null default '{}',
    floor_young_xid xid8,
    emptied_to bigint not null default 0,
    unique (queue, priority, shard)
);
comment on column lanes.emptied_to is 'the highest number at or above floor_next of which a truncated slot had the row: it was carried away from its claim';

-- One row per worker process; `worker` is random, because numbers from sequences come back after a
-- failover. One HOT update per beat.
create table workers (
    worker bigint primary key,
    info jsonb not null,
    started_at timestamptz not null default clock_timestamp(),
    beat bigint not null default 0,
    beat_at timestamptz not null default clock_timestamp(),
    reconciled bigint not null default 0,
    run text
) with (fillfactor = 50);
comment on column workers.reconciled is 'claim calls up to this one were looked at by some beat; every twelfth beat looks at all again';
comment on column workers.run is 'the run of the server that took the last beat (server_run): with a run all locks end';

-- ------------------------------------------------------------------------------------- the ring

create sequence job_id_seq;

-- The current slot is this sequence's value: no snapshot is involved. It is a hint only: an entry
-- may land in any slot, and nothing relies on where.
create sequence ring_seq minvalue 0 maxvalue 15 start 0;

-- When the leader looks for due jobs next, in milliseconds of the epoch. A sequence, because no snapshot
-- is involved: whoever defers a job until an earlier time tells the leader.
create sequence timer_seq minvalue 0;

-- The id stands before the number, because they are to be drawn in this order (see appending.sql).
create table ready (
    job_id bigint not null,
    seq bigint not null,
    enqueued_at timestamptz not null,
    lane int not null,
    run_lease int not null,
    slot smallint not null,
    attempt smallint not null,
    max_attempts smallint not null,
    losses smallint not null,
    kind text not null,
    args jsonb not null,
    extra jsonb not null,
    -- fifty of each go to a worker as one text, which may not take a gigabyte
    constraint size_inv check (pg_column_size(args) <= 8388608 and pg_column_size(extra) <= 8388608)
) partition by list (slot);
comment on column ready.run_lease is 'per job, grows by one with each entry: the public fencing number';
comment on column ready.attempt is 'which attempt this entry is, from 1; a release gives it back';
comment on column ready.extra is 'what few jobs have: tags, metadata, deadline_s, ordering_key, unique, the last errors, and apart: see is_plain';

-- One row per (lane, slot) a claim call took from, with the lane's state after it: `no`, `next` (the
-- cursor), and the numbers below it that were not visible, in two generations with the xid each waits
-- for. Rows that were carried to another slot have no state (no is null).
create table claims (
    token bigint not null,
    worker bigint not null,
    call bigint not null,
    claimed_at timestamptz not null,
    deadline timestamptz,
    no bigint,
    next bigint not null,
    holes_xid xid8,
    young_xid xid8,
    lane int not null,
    slot smallint not null,
    part smallint not null,
    seqs int8multirange not null,
    holes int8multirange not null,
    young int8multirange not null
) partition by list (slot);

-- A set of numbers that ended with one outcome and one settle id; token null = a withdrawal.
create table closures (
    token bigint,
    settle_id bigint not null,
    closed_at timestamptz not null,
    outcome outcome not null,
    lane int not null,
    slot smallint not null,
    part smallint,
    seqs int8multirange not null
) partition by list (slot);

create table results (
    seq bigint not null,
    lane int not null,
    slot smallint not null,
    result jsonb not null
) partition by list (slot);

-- Attempts that need a row of their own: progress, callbacks, parked waits.
create table leases (
    seq bigint not null,
    token bigint not null,
    lane int not null,
    slot smallint not null,
    part smallint not null,
    noted int not null default 0,
    progress jsonb,
    callback_id uuid,
    parked_until timestamptz
) partition by list (slot);

comment on column leases.noted is 'grows with each note of the attempt, so that one which comes late undoes no newer one';

create table ring_slots (
    slot smallint primary key,
    ready regclass not null,
    claims regclass not null,
    closures regclass not null,
    results regclass not null,
    leases regclass not null,
    opened_at timestamptz
);
comment on column ring_slots.opened_at is 'when the slot was last made the current one; null: at installation';

-- Autovacuum is off on the ring: it would block prune, and statistics taken while a slot is empty
-- turn plans bad. Wraparound vacuums still run; TRUNCATE makes them rare.
do $$
declare
    t text;
begin
    for k in 0 .. 15 loop
        foreach t in array array['ready', 'claims', 'closures', 'results', 'leases'] loop
            execute format(
                'create table %1$s_%2$s partition of %1$s for values in (%2$s) with (autovacuum_enabled = off)',
                t, k);
            execute format('alter table %s_%s set (toast.autovacuum_enabled = off)', t, k);
        end loop;
        execute format('alter table ready_%s add primary key (lane, seq)', k);
        execute format('create index on ready_%s (job_id)', k);
        -- these two cost nothing for a job that has neither
        execute format('create index on ready_%s (lane, seq) where extra ? ''deadline_s''', k);
        execute format('create index on ready_%s (lane, seq) where extra ? ''unique''', k);
        execute format('create index on claims_%s (token)', k);
        execute format('create index on claims_%s (worker, call)', k);
        execute format('create unique index on claims_%s (lane, no, part)', k);
        execute format('create index on claims_%s (lane, upper(seqs))', k);
        execute format('create index on claims_%s (deadline) where deadline is not null', k);
        execute format('create index on closures_%s (token, part)', k);
        execute format('create index on closures_%s (lane, upper(seqs)) where token is null', k);
        execute format('alter table results_%s add primary key (lane, seq)', k);
        execute format('alter table leases_%s add primary key (lane, seq)', k);
        insert into ring_slots values (
            k, format('ready_%s', k)::regclass, format('claims_%s', k)::regclass,
            format('closures_%s', k)::regclass, format('results_%s', k)::regclass,
            format('leases_%s', k)::regclass, null);
    end loop;
end $$;

-- --------------------------------------------------------- jobs that are not in the ring just now

-- Jobs that wait for a time. `run_lease` is that of the last entry (0: it never had one), `attempt` that of
-- the next. They return to the lane they came from, so a key keeps its order.
create table deferred (
    job_id bigint primary key,
    run_at timestamptz not null,
    enqueued_at timestamptz not null,
    lane int not null,
    run_lease int not null,
    attempt smallint not null,
    max_attempts smallint not null,
    losses smallint not null default 0,
    state text not null constraint deferred_state_inv check (state in ('scheduled', 'retryable')),
    kind text not null,
    args jsonb not null,
    extra jsonb not null default '{}',
    constraint deferred_size_inv check (pg_column_size(args) <= 8388608 and pg_column_size(extra) <= 8388608)
);
create index deferred_run_at on deferred (run_at, job_id);
create index deferred_lane on deferred (lane, state, job_id);

create table finals (
    job_id bigint primary key,
    finished_at timestamptz not null,
    enqueued_at timestamptz not null,
    lane int not null,
    run_lease int not null,
    attempt smallint not null,
    max_attempts smallint not null,
    losses smallint not null default 0,
    state text not null constraint final_state_inv check (state in ('failed', 'cancelled')),
    reason text not null,
    kind text not null,
    args jsonb not null,
    extra jsonb not null default '{}'
);
create index finals_finished_at on finals (finished_at);
create index finals_lane on finals (lane, state, job_id);

-- Dead letters: failed jobs that wait for an operator. They are in no view of jobs.
create table dlq (like finals including all, dead_at timestamptz not null default clock_timestamp());
create index dlq_dead_at on dlq (dead_at);

-- Who holds a unique key. A row is not taken away when its job leaves the states of its mask: whoever wants
-- the key looks where the holder is, and takes it over. It goes when the job's last trace goes.
create table unique_keys (
    unique_key bytea primary key,
    job_id bigint not null,
    states text[] not null,
    until timestamptz
);
create index unique_keys_job_id on unique_keys (job_id);
comment on column unique_keys.states is 'the holder keeps the key in these states; {started}: until it is claimed for the first time';
comment on column unique_keys.until is 'the key is held up to then even when the job is forgotten; null: the job''s states decide';

-- What operators did, one row per job: a repeated call is answered from here, and people can read it.
create table acts (
    settle_id bigint not null,
    job_id bigint not null,
    at timestamptz not null default clock_timestamp(),
    act text not null,
    state text not null,
    reason text,
    primary key (settle_id, job_id)
);
create index acts_at on acts (at);
create index acts_job_id on acts (job_id);

-- ------------------------------------------------------------------------------------- schedules

-- Whatever changes a schedule gives it a version that no schedule had before, also one of the same name.
create sequence schedule_version_seq;

-- What fires at instants that leaders work out. A namespace belongs to a deployment.
create table cron_schedules (
    namespace text not null constraint namespace_inv check (char_length(namespace) between 1 and 200),
    name text not null constraint name_inv check (char_length(name) between 1 and 200),
    version bigint not null default nextval('schedule_version_seq'),
    definition jsonb not null,
    declared boolean not null,
    created_at timestamptz not null default clock_timestamp(),
    upto timestamptz not null default clock_timestamp(),
    next_at timestamptz not null default '-infinity',
    paused_at timestamptz,
    paused_by text,
    last_due timestamptz,
    last_fired_at timestamptz,
    last_job bigint,
    fires bigint not null default 0,
    overlapped bigint not null default 0,
    primary key (namespace, name)
) with (fillfactor = 70);
create index cron_schedules_next_at on cron_schedules (next_at) where paused_at is null;
comment on column cron_schedules.definition is 'when, what and how: the parts of a declaration, all of them';
comment on column cron_schedules.declared is 'declared by a program of its namespace, which may take it back by declaring it no more';
comment on column cron_schedules.upto is 'instants up to this one were dealt with';
comment on column cron_schedules.next_at is 'when a leader looks at it next; -infinity: as soon as there is one; infinity: it is never due again';
comment on column cron_schedules.overlapped is 'instants at which a job of an earlier one was not finished, so that nothing was stored';

insert into meta (schema_version) values (1);
