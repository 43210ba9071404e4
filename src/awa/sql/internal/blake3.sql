-- BLAKE3 of bytes, the 32-byte hash without a key, for those who derive unique keys in SQL. A 32-bit word is
-- a bigint from 0 to 4294967295; `&` binds looser than `+`, so `a + b & 4294967295` is a sum modulo 2^32.

create function blake3_iv() returns bigint[]
language sql immutable parallel safe as $$
    select '{1779033703,3144134277,1013904242,2773480762,1359893119,2600822924,528734635,1541459225}'::bigint[]
$$;

-- The lowest bytes of a number, the least first.
create function little_endian(p_number bigint, p_bytes int) returns bytea
language sql immutable parallel safe as $$
    select string_agg(substring(int8send(p_number) from 9 - i for 1), ''::bytea order by i) from generate_series(1, p_bytes) i
$$;

-- Words of bytes, with zeros up to whole blocks of 16 words; at least one block.
create function blake3_words(p_data bytea) returns bigint[]
language sql immutable parallel safe as $$
    select array_agg(get_byte(d.padded, i) + get_byte(d.padded, i + 1) * 256 + get_byte(d.padded, i + 2) * 65536
                     + get_byte(d.padded, i + 3) * 16777216::bigint order by i)
    from (select p_data || decode(repeat('00', case when p_data = '' then 64 else -length(p_data) & 63 end), 'hex') as padded) d,
         generate_series(0, length(d.padded) - 1, 4) i
$$;

-- The compression of one block into a chaining value. Sixteen variables instead of an array: half the time.
create function blake3_compress(p_chain bigint[], p_words bigint[], p_counter bigint, p_length int, p_flags int) returns bigint[]
language plpgsql immutable parallel safe as $$
declare
    m bigint[] := p_words;
    iv bigint[] := blake3_iv();
    x0 bigint := p_chain[1]; x1 bigint := p_chain[2]; x2 bigint := p_chain[3]; x3 bigint := p_chain[4];
    x4 bigint := p_chain[5]; x5 bigint := p_chain[6]; x6 bigint := p_chain[7]; x7 bigint := p_chain[8];
    x8 bigint := iv[1]; x9 bigint := iv[2]; x10 bigint := iv[3]; x11 bigint := iv[4];
    x12 bigint := p_counter & 4294967295; x13 bigint := p_counter >> 32; x14 bigint := p_length; x15 bigint := p_flags;
begin
    for v_round in 1..7 loop
        x0 := x0 + x4 + m[1] & 4294967295; x12 := x12 # x0; x12 := (x12 >> 16) | (x12 << 16 & 4294967295);
        x8 := x8 + x12 & 4294967295; x4 := x4 # x8; x4 := (x4 >> 12) | (x4 << 20 & 4294967295);
        x0 := x0 + x4 + m[2] & 4294967295; x12 := x12 # x0; x12 := (x12 >> 8) | (x12 << 24 & 4294967295);
        x8 := x8 + x12 & 4294967295; x4 := x4 # x8; x4 := (x4 >> 7) | (x4 << 25 & 4294967295);
        x1 := x1 + x5 + m[3] & 4294967295; x13 := x13 # x1; x13 := (x13 >> 16) | (x13 << 16 & 4294967295);
        x9 := x9 + x13 & 4294967295; x5 := x5 # x9; x5 := (x5 >> 12) | (x5 << 20 & 4294967295);
        x1 := x1 + x5 + m[4] & 4294967295; x13 := x13 # x1; x13 := (x13 >> 8) | (x13 << 24 & 4294967295);
        x9 := x9 + x13 & 4294967295; x5 := x5 # x9; x5 := (x5 >> 7) | (x5 << 25 & 4294967295);
        x2 := x2 + x6 + m[5] & 4294967295; x14 := x14 # x2; x14 := (x14 >> 16) | (x14 << 16 & 4294967295);
        x10 := x10 + x14 & 4294967295; x6 := x6 # x10; x6 := (x6 >> 12) | (x6 << 20 & 4294967295);
        x2 := x2 + x6 + m[6] & 4294967295; x14 := x14 # x2; x14 := (x14 >> 8) | (x14 << 24 & 4294967295);
        x10 := x10 + x14 & 4294967295; x6 := x6 # x10; x6 := (x6 >> 7) | (x6 << 25 & 4294967295);
        x3 := x3 + x7 + m[7] & 4294967295; x15 := x15 # x3; x15 := (x15 >> 16) | (x15 << 16 & 4294967295);
        x11 := x11 + x15 & 4294967295; x7 := x7 # x11; x7 := (x7 >> 12) | (x7 << 20 & 4294967295);
        x3 := x3 + x7 + m[8] & 4294967295; x15 := x15 # x3; x15 := (x15 >> 8) | (x15 << 24 & 4294967295);
        x11 := x11 + x15 & 4294967295; x7 := x7 # x11; x7 := (x7 >> 7) | (x7 << 25 & 4294967295);
        x0 := x0 + x5 + m[9] & 4294967295; x15 := x15 # x0; x15 := (x15 >> 16) | (x15 << 16 & 4294967295);
        x10 := x10 + x15 & 4294967295; x5 := x5 # x10; x5 := (x5 >> 12) | (x5 << 20 & 4294967295);
        x0 := x0 + x5 + m[10] & 4294967295; x15 := x15 # x0; x15 := (x15 >> 8) | (x15 << 24 & 4294967295);
        x10 := x10 + x15 & 4294967295; x5 := x5 # x10; x5 := (x5 >> 7) | (x5 << 25 & 4294967295);
        x1 := x1 + x6 + m[11] & 4294967295; x12 := x12 # x1; x12 := (x12 >> 16) | (x12 << 16 & 4294967295);
        x11 := x11 + x12 & 4294967295; x6 := x6 # x11; x6 := (x6 >> 12) | (x6 << 20 & 4294967295);
        x1 := x1 + x6 + m[12] & 4294967295; x12 := x12 # x1; x12 := (x12 >> 8) | (x12 << 24 & 4294967295);
        x11 := x11 + x12 & 4294967295; x6 := x6 # x11; x6 := (x6 >> 7) | (x6 << 25 & 4294967295);
        x2 := x2 + x7 + m[13] & 4294967295; x13 := x13 # x2; x13 := (x13 >> 16) | (x13 << 16 & 4294967295);
        x8 := x8 + x13 & 4294967295; x7 := x7 # x8; x7 := (x7 >> 12) | (x7 << 20 & 4294967295);
        x2 := x2 + x7 + m[14] & 4294967295; x13 := x13 # x2; x13 := (x13 >> 8) | (x13 << 24 & 4294967295);
        x8 := x8 + x13 & 4294967295; x7 := x7 # x8; x7 := (x7 >> 7) | (x7 << 25 & 4294967295);
        x3 := x3 + x4 + m[15] & 4294967295; x14 := x14 # x3; x14 := (x14 >> 16) | (x14 << 16 & 4294967295);
        x9 := x9 + x14 & 4294967295; x4 := x4 # x9; x4 := (x4 >> 12) | (x4 << 20 & 4294967295);
        x3 := x3 + x4 + m[16] & 4294967295; x14 := x14 # x3; x14 := (x14 >> 8) | (x14 << 24 & 4294967295);
        x9 := x9 + x14 & 4294967295; x4 := x4 # x9; x4 := (x4 >> 7) | (x4 << 25 & 4294967295);
        m := array[m[3], m[7], m[4], m[11], m[8], m[1], m[5], m[14], m[2], m[12], m[13], m[6], m[10], m[15], m[16], m[9]];
    end loop;
    return array[x0 # x8, x1 # x9, x2 # x10, x3 # x11, x4 # x12, x5 # x13, x6 # x14, x7 # x15];
end $$;

-- A chunk is at most 1,024 bytes, the `p_counter`th of its message from 0.
create function blake3_chunk(p_data bytea, p_counter bigint, p_root boolean) returns bigint[]
language plpgsql immutable parallel safe as $$
declare
    v_words bigint[] := blake3_words(p_data);
    v_blocks int := cardinality(v_words) / 16;
    v_chain bigint[] := blake3_iv();
begin
    for i in 1..v_blocks loop
        v_chain := blake3_compress(
            v_chain, v_words[16 * i - 15:16 * i], p_counter, least(64, length(p_data) - 64 * (i - 1)),
            -- 1: the chunk starts, 2: it ends, 8: the root
            (i = 1)::int | case when i = v_blocks then 2 | p_root::int * 8 else 0 end);
    end loop;
    return v_chain;
end $$;

-- The left part of a tree is as large a power of two of chunks as leaves something for the right one.
create function blake3_tree(p_data bytea, p_counter bigint, p_root boolean) returns bigint[]
language plpgsql immutable parallel safe as $$
declare
    v_left int := 1024;
begin
    if length(p_data) <= 1024 then
        return blake3_chunk(p_data, p_counter, p_root);
    end if;
    while v_left * 2 < length(p_data) loop
        v_left := v_left * 2;
    end loop;
    return blake3_compress(
        blake3_iv(),
        blake3_tree(substring(p_data for v_left), p_counter, false)
        || blake3_tree(substring(p_data from v_left + 1), p_counter + v_left / 1024, false),
        0, 64, 4 | p_root::int * 8);    -- 4: a parent, 8: the root
end $$;

-- Words are written with their least byte first, in one query: a call of little_endian for each took three times as long.
create function blake3(p_data bytea) returns bytea
language sql immutable parallel safe as $$
    select decode(string_agg(lpad(to_hex((w.word & 255) * 16777216 + (w.word & 65280) * 256 + (w.word >> 8 & 65280) + (w.word >> 24)), 8, '0'), '' order by w.ord), 'hex')
    from unnest(blake3_tree(p_data, 0, true)) with ordinality as w (word, ord)
$$;
