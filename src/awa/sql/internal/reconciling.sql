-- close_forgotten: of a worker's claim calls after p_from and up to p_upto, close what is open of those it
-- does not name. Open entries only, so a call that was settled costs one look.
create function close_forgotten(p_worker bigint, p_from bigint, p_upto bigint, p_open_calls int8multirange) returns closing[]
language plpgsql as $$
declare
    r record;
begin
    execute format(
        'select array_agg(f.slot) as slots, array_agg(f.token) as tokens, array_agg(f.part) as parts, array_agg(f.open) as open from ('
        'select * from (%s) c where not isempty(c.open) order by c.call limit 500) f',
        (select string_agg(format(
            'select c.slot, c.token, c.part, c.call, c.seqs - coalesce((select range_agg(x.seqs) from closures_%1$s x '
            'where x.token = c.token and x.part = c.part), ''{}'') as open from claims_%1$s c '
            'where c.worker = $1 and c.call > $2 and c.call <= $3 and not $4 @> c.call', k), ' union all ')
         from unnest(lock_live_slots()) k))
    into r using p_worker, p_from, p_upto, p_open_calls;
    if r.tokens is null then
        return '{}';
    end if;
    return array(select c from unnest(close_entries(r.slots, r.tokens, r.parts, r.open, 'lost', p_upto)) c where c.answer = 'found');
end $$;
