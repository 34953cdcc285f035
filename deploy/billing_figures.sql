-- What billing leaves undone, as the worker's /metrics tell it.

-- name: read
SELECT
    (SELECT count(*) FROM catalog.inbox WHERE state = 'waiting') AS events_waiting,
    (SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8 FROM catalog.inbox
        WHERE state = 'waiting') AS oldest_event_seconds,
    (SELECT count(*) FROM catalog.inbox WHERE state = 'kept') AS events_kept,
    (SELECT count(*) FROM catalog.billing WHERE synced < dirty) AS accounts_unsynced,
    (SELECT count(*) FROM catalog.billing WHERE error IS NOT NULL) AS accounts_failing,
    (SELECT count(*) FROM catalog.billing WHERE problem IS NOT NULL) AS accounts_with_a_problem,
    (SELECT count(*) FROM catalog.meter_event WHERE sent_at IS NULL) AS meters_unsent
