-- All that a batch usually writes, in one statement: conversations, entries, and the live events that tell of both.
-- Of an entry, what is not told (NULL) stays as it is; what is told live is the whole entry, as `console.views.Entry`
-- writes it. Events are numbered within their streams: the row of a stream stays locked until the commit, and streams are
-- locked in one order. $1 a JSON array of conversations, $2 a JSON array of entries; events behind those of the entries:
-- $3 streams, $4 types, $5 bodies
WITH changed AS (
    UPDATE conversation AS c SET
        bot = new.bot,
        customer_name = new.customer_name,
        picture_url = new.picture_url,
        owner = new.owner,
        epoch = new.epoch,
        episode = new.episode,
        attended = new.attended,
        venue = new.venue,
        holder_id = new.holder_id,
        holder_name = new.holder_name,
        assigned_id = new.assigned_id,
        assigned_name = new.assigned_name,
        deadline = new.deadline,
        cause = new.cause,
        inferred = new.inferred,
        fault = new.fault,
        block = new.block,
        block_name = new.block_name,
        since = new.since,
        thread_owner = new.thread_owner,
        thread_app = new.thread_app,
        thread_reason = new.thread_reason,
        moved_to_done = new.moved_to_done,
        acted_at = new.acted_at,
        flow = new.flow,
        flow_block = new.flow_block,
        waits_for = new.waits_for,
        attributes = new.attributes,
        seq = new.seq,
        last_seq = new.last_seq,
        last_speaker = new.last_speaker,
        last_name = new.last_name,
        last_text = new.last_text,
        last_said_at = new.last_said_at,
        last_at = new.last_at,
        begun = new.begun,
        customer_seq = new.customer_seq,
        unread = new.unread,
        read_seq = new.read_seq
    FROM jsonb_to_recordset($1::text::jsonb) AS new (
        id text,
        bot text,
        customer_name text,
        picture_url text,
        owner text,
        epoch bigint,
        episode text,
        attended boolean,
        venue text,
        holder_id text,
        holder_name text,
        assigned_id text,
        assigned_name text,
        deadline timestamptz,
        cause text,
        inferred boolean,
        fault text,
        block text,
        block_name text,
        since timestamptz,
        thread_owner text,
        thread_app text,
        thread_reason text,
        moved_to_done boolean,
        acted_at timestamptz,
        flow text,
        flow_block text,
        waits_for text,
        attributes jsonb,
        seq bigint,
        last_seq bigint,
        last_speaker text,
        last_name text,
        last_text text,
        last_said_at timestamptz,
        last_at timestamptz,
        begun boolean,
        customer_seq bigint,
        unread integer,
        read_seq bigint
    )
    WHERE c.id = new.id
), written AS (
    INSERT INTO entry AS e (
        conversation, seq, kind, at, epoch, episode, speaker, person_id, person_name, text, content,
        delivery_state, delivery_reason, delivery_next_step, delivery_advice, mid, sent_at
    )
    SELECT
        conversation, seq, kind, at, epoch, episode, speaker, person_id, person_name, coalesce(text, ''), content,
        delivery_state, coalesce(delivery_reason, ''), coalesce(delivery_next_step, ''),
        coalesce(delivery_advice, ''), coalesce(mid, ''), sent_at
    FROM jsonb_to_recordset($2::text::jsonb) AS new (
        conversation text, seq bigint, kind text, at timestamptz, epoch bigint, episode text, speaker text,
        person_id text, person_name text, text text, content jsonb, delivery_state text, delivery_reason text,
        delivery_next_step text, delivery_advice text, mid text, sent_at timestamptz
    )
    ORDER BY conversation, seq
    ON CONFLICT (conversation, seq) DO UPDATE SET
        kind = coalesce(excluded.kind, e.kind),
        at = coalesce(excluded.at, e.at),
        epoch = coalesce(excluded.epoch, e.epoch),
        episode = coalesce(excluded.episode, e.episode),
        speaker = coalesce(excluded.speaker, e.speaker),
        person_id = coalesce(excluded.person_id, e.person_id),
        person_name = coalesce(excluded.person_name, e.person_name),
        text = CASE WHEN excluded.kind IS NULL THEN e.text ELSE excluded.text END,
        content = coalesce(excluded.content, e.content),
        delivery_state = coalesce(excluded.delivery_state, e.delivery_state),
        delivery_reason = CASE
            WHEN excluded.delivery_state IS NULL THEN e.delivery_reason ELSE excluded.delivery_reason
        END,
        delivery_next_step = CASE
            WHEN excluded.delivery_state IS NULL THEN e.delivery_next_step ELSE excluded.delivery_next_step
        END,
        delivery_advice = CASE
            WHEN excluded.delivery_state IS NULL THEN e.delivery_advice ELSE excluded.delivery_advice
        END,
        mid = CASE WHEN excluded.mid = '' THEN e.mid ELSE excluded.mid END,
        sent_at = coalesce(excluded.sent_at, e.sent_at)
    RETURNING e.*
), new AS MATERIALIZED (
    SELECT
        'conversation:' || conversation AS stream, 'entry.changed' AS type, 0 AS part, seq AS place,
        jsonb_build_object('entry', jsonb_build_object(
            'seq', seq,
            'at', to_char(
                at AT TIME ZONE 'UTC',
                CASE WHEN at = date_trunc('second', at) THEN 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
                ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' END
            ),
            'epoch', epoch,
            'episode', episode,
            'speaker', speaker,
            'person', CASE WHEN person_id <> '' THEN
                jsonb_build_object('id', person_id, 'name', coalesce(nullif(person_name, ''), person_id))
            END,
            'text', text,
            'delivery', CASE WHEN kind = 'message' THEN
                jsonb_build_object(
                    'state', coalesce(delivery_state, 'queued'), 'reason', delivery_reason, 'mid', mid,
                    'next_step', delivery_next_step, 'advice', delivery_advice
                )
            END,
            'content', content,
            'edits', edits,
            'deleted', deleted,
            'reaction', reaction
        )) AS body
    FROM written WHERE kind IS NOT NULL
    UNION ALL
    SELECT stream, type, 1, place, body::jsonb
    FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS more (stream, type, body, place)
), numbered AS (
    INSERT INTO stream AS s (name, last)
    SELECT stream, count(*) FROM new GROUP BY stream ORDER BY stream
    ON CONFLICT (name) DO UPDATE SET last = s.last + excluded.last
    RETURNING s.name, s.last
)
INSERT INTO live_event (stream, seq, at, type, body)
SELECT
    new.stream,
    numbered.last - count(*) OVER (PARTITION BY new.stream)
    + row_number() OVER (PARTITION BY new.stream ORDER BY new.part, new.place),
    clock_timestamp(), new.type, new.body
FROM new INNER JOIN numbered ON numbered.name = new.stream
