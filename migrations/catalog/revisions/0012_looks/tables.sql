-- What was seen when somebody looked last: a cluster's server, the canaries of a database, the
-- comparison with the provider. A page shows it with its age and waits for nobody.
CREATE TABLE catalog.look (
    kind     text NOT NULL,
    about    text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now(),
    -- When what was found was seen; a look that failed later leaves it as it was.
    ended_at timestamptz,
    found    jsonb,
    error    text,
    PRIMARY KEY (kind, about),
    CONSTRAINT ended_look_found_something CHECK (num_nulls(ended_at, found) IN (0, 2))
);

-- What somebody has to see to, among very much that went well.
CREATE INDEX operation_that_failed ON catalog.operation (created_at, id)
    WHERE error IS NOT NULL AND state IN ('waiting', 'running', 'failed');
CREATE INDEX inbox_given_up ON catalog.inbox (received_at) WHERE state = 'kept';
CREATE INDEX letter_given_up ON catalog.letter (made_at) WHERE given_up_at IS NOT NULL;
