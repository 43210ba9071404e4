-- Closing what somebody else left open: a worker's forgotten calls, a lost worker's claims, attempts past
-- their deadline.

create type open_rows as (slots smallint[], tokens bigint[], parts smallint[], seqs int8multirange[], workers bigint[]);

-- open_rows_where: the claims rows with something open, by a condition on c and the parameters
-- $1 worker, $2 and $3 calls from and up to, $4 calls named, $5 and $6 a span of time, $7 how many.
create function open_rows_where(p_condition text, p_worker bigint, p_from bigint, p_upto bigint, p_named int8multirange,
                                p_since timestamptz, p_until timestamptz, p_limit int) returns open_rows
language plpgsql as $$
declare
    v open_rows;
begin
    execute format(
        'select array_agg(f.slot), array_agg(f.token), array_agg(f.part), array_agg(f.open), array_agg(f.worker) from ('
        'select * from (%s) c where not isempty(c.open) order by c.claimed_at, c.token, c.part limit $7) f',
        (select string_agg(format(
            'select c.slot, c.token, c.part, c.worker, c.claimed_at, c.seqs - coalesce((select range_agg(x.seqs) from closures_%1$s x '
            'where x.token = c.token and x.part = c.part), ''{}'') as open from claims_%1$s c where %2$s', k, p_condition), ' union all ')
         from unnest(lock_live_slots()) k))
    into v using p_worker, p_from, p_upto, p_named, p_since, p_until, p_limit;
    return v;
end $$;

-- What was looked up, closed. Open entries only, so a claims row that was settled costs one look.
create function close_rows(p_rows open_rows, p_outcome outcome, p_settle_id bigint) returns closing[]
language plpgsql as $$
begin
    if p_rows.tokens is null then
        return '{}';
    end if;
    return close_entries(p_rows.slots, p_rows.tokens, p_rows.parts, p_rows.seqs, p_outcome, p_settle_id);
end $$;

-- dispose of attempts that ended without a word of their worker: this is the word.
create function dispose_unheard(p_closings closing[], p_outcome outcome, p_type text, p_error text) returns disposal
language sql volatile as $$
    select dispose(p_closings, p_outcome,
                   array(select row (c.item, null, jsonb_build_object('type', p_type, 'error', p_error), null)::fault
                         from unnest(p_closings) c where not isempty(c.settled)))
$$;

-- rescued_of: of the attempts that were closed, those of these kinds, for the hooks of whoever closed them: an array
-- of [job_id, kind, queue, attempt, run_lease, args]. A few thousand are enough: who is told of more drops them.
create function rescued_of(p_closings closing[], p_kinds text[]) returns jsonb
language sql stable as $$
    select coalesce(jsonb_agg(jsonb_build_array(j.job_id, j.kind, j.queue, j.attempt, j.run_lease, j.args)), '[]')
    from (select s.*, sum(pg_column_size(s.args)) over (order by s.lane, s.seq) as bytes
          from (select r.*, q.queue
                from unnest(p_closings) c
                join lanes l on l.lane = c.lane
                join queue_settings q on q.queue_id = l.queue_id
                cross join lateral entries_in(c.slot, c.lane, c.settled) r
                where cardinality(p_kinds) > 0 and not isempty(c.settled) and r.kind = any (p_kinds)
                limit 2000) s) j
    where j.bytes < 8000000
$$;

-- Their attempts were ended by somebody else: these workers ask what became of them.
create function tell_workers(p_workers bigint[]) returns void
language plpgsql as $$
begin
    if coalesce(current_setting('awa.notify', true), 'on') <> 'off' then
        perform pg_notify(ended_channel(), w::text) from (select distinct u from unnest(p_workers) u) s (w);
    end if;
end $$;

create function tell_holders(p_closings closing[]) returns void
language plpgsql as $$
declare
    v_workers bigint[] := '{}';
    c closing;
begin
    foreach c in array p_closings loop
        if not isempty(c.settled) then
            v_workers := v_workers || (select k.worker from claims k where k.slot = c.slot and k.token = c.token and k.part = c.part);
        end if;
    end loop;
    perform tell_workers(v_workers);
end $$;

create function busy_items(p_closings closing[]) returns int
language sql immutable as $$ select count(*)::int from unnest(p_closings) c where c.answer = 'busy' $$;
