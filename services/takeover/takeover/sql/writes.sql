-- All that a batch changes, as parts of a statement that has a table `moved` of one row; where it is empty nothing is written.
-- $1 ids, $2 times of states of which only the time moved; $3 partition; $4 ids, $5 bots, $6 owners, $7 epochs, $8 entries,
-- $9 documents, $10 times of the other states; $11 conversations, $12 kinds of timers that are gone; $13 conversations,
-- $14 kinds, $15 times, $16 events of new ones; $17 episodes that began, $18 what became of earlier ones, $19 settings that
-- are new to the partition, all three as JSON; $20 the offset from which on these are in force
touched AS (
    UPDATE conversation SET updated_at = t.at
    FROM moved, unnest($1::text[], $2::timestamptz[]) AS t (id, at)
    WHERE conversation.id = t.id
), saved AS (
    INSERT INTO conversation (id, partition, bot, owner, epoch, seq, state, updated_at)
    SELECT t.id, $3, t.bot, t.owner, t.epoch, t.seq, t.state::json, t.updated_at
    FROM
        moved,
        unnest($4::text[], $5::text[], $6::text[], $7::integer[], $8::bigint[], $9::text[], $10::timestamptz[])
            AS t (id, bot, owner, epoch, seq, state, updated_at)
    ON CONFLICT (id) DO UPDATE SET
        bot = excluded.bot, owner = excluded.owner, epoch = excluded.epoch, seq = excluded.seq,
        state = excluded.state, updated_at = excluded.updated_at
), dropped AS (
    DELETE FROM timer USING moved, unnest($11::text[], $12::text[]) AS t (conversation, kind)
    WHERE timer.conversation = t.conversation AND timer.kind = t.kind
), planted AS (
    INSERT INTO timer (conversation, kind, partition, due_at, event)
    SELECT t.conversation, t.kind, $3, t.due_at, t.event::json
    FROM moved, unnest($13::text[], $14::text[], $15::timestamptz[], $16::text[]) AS t (conversation, kind, due_at, event)
    ON CONFLICT (conversation, kind) DO UPDATE SET
        partition = excluded.partition, due_at = excluded.due_at, event = excluded.event
), begun AS (
    INSERT INTO episode (
        id, conversation, bot, cause, block, started_at, taken_up_at, taken_up_by, ended_at, end_cause
    )
    SELECT t.*
    FROM moved, json_to_recordset($17) AS t (
        id text, conversation text, bot text, cause text, block text, started_at timestamptz,
        taken_up_at timestamptz, taken_up_by text, ended_at timestamptz, end_cause text
    )
    ON CONFLICT (id) DO NOTHING
), followed AS (
    UPDATE episode SET
        taken_up_by = CASE WHEN episode.taken_up_at IS NULL THEN t.taken_up_by ELSE episode.taken_up_by END,
        taken_up_at = coalesce(episode.taken_up_at, t.taken_up_at),
        ended_at = coalesce(t.ended_at, episode.ended_at),
        end_cause = coalesce(t.end_cause, episode.end_cause)
    FROM moved, json_to_recordset($18) AS t (
        id text, taken_up_at timestamptz, taken_up_by text, ended_at timestamptz, end_cause text
    )
    WHERE episode.id = t.id
), described AS (
    INSERT INTO bot_settings (bot, version, document)
    SELECT t.* FROM moved, json_to_recordset($19) AS t (bot text, version integer, document json)
    ON CONFLICT DO NOTHING
), ruled AS (
    INSERT INTO settings_in_force (partition, bot, version, from_offset)
    SELECT $3, t.bot, t.version, $20 FROM moved, json_to_recordset($19) AS t (bot text, version integer)
    ON CONFLICT DO NOTHING
)
