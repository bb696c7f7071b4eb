-- What an answer says about the account as a whole.
-- Once the circuit is open, only a call that looks for Stripe (is_probe) makes the next look later: the others began
-- before it opened, and a wave of them is one outage, not many.
-- Parameters: account, livemode, key_id, kind (answered, failed, paused, stopped), is_probe, reason, pause, open_from,
-- longest_pause.
update tally.push_accounts
set
    failures = case
        when %(kind)s = 'paused' or (%(kind)s = 'failed' and failures >= %(open_from)s and not %(is_probe)s) then failures
        when %(kind)s = 'failed' then failures + 1
        else 0
    end,
    failing_since = case %(kind)s when 'failed' then coalesce(failing_since, clock_timestamp()) when 'paused' then failing_since end,
    retry_at = case
        when %(kind)s = 'paused' or (%(kind)s = 'failed' and failures >= %(open_from)s and not %(is_probe)s) then retry_at
        -- 1 second after the fifth failure in a row, twice that after each further one.
        when %(kind)s = 'failed' and failures + 1 >= %(open_from)s
            then clock_timestamp()
                + least(interval '1 second' * 2 ^ least(failures + 1 - %(open_from)s, 20), %(longest_pause)s)
    end,
    paused_until = case %(kind)s
        when 'paused' then greatest(paused_until, clock_timestamp() + %(pause)s) else paused_until
    end,
    pause_reason = case %(kind)s when 'paused' then %(reason)s else pause_reason end,
    stopped_at = case
        when %(kind)s = 'stopped' then clock_timestamp()
        -- Another key works. Answers that the refused one got before it was refused resume nothing.
        when %(kind)s = 'answered' and stopped_key is distinct from %(key_id)s and stopped_key is not null then null
        else stopped_at
    end,
    stopped_because = case
        when %(kind)s = 'stopped' then %(reason)s
        when %(kind)s = 'answered' and stopped_key is distinct from %(key_id)s and stopped_key is not null then null
        else stopped_because
    end,
    stopped_key = case
        when %(kind)s = 'stopped' then %(key_id)s
        when %(kind)s = 'answered' and stopped_key is distinct from %(key_id)s then null
        else stopped_key
    end
where account = %(account)s and livemode = %(livemode)s
returning failures >= %(open_from)s as is_open
