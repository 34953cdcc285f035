-- A tenant as directories remember it since billing: with its standing, and with what was agreed
-- beyond its plan. Never changed by a later revision, as catalog.tenant_whole.

CREATE VIEW catalog.tenant_known AS
SELECT w.id, w.slug, w.name, w.status, w.isolation, w.plan, w.plan_version,
    (w.limits::jsonb || coalesce(o.limits, '{}'))::text AS limits,
    w.pinned_tier, w.pinned_cluster, w.pin_reason, w.created_at, w.changed_at,
    w.tier, w.cluster, w.database, w.schema_name, w.login, w.epoch,
    b.standing, b.standing_until
FROM catalog.tenant_whole AS w
LEFT JOIN catalog.billing AS b ON b.tenant_id = w.id
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(each.key, each.value ORDER BY v.made_at) AS limits
    FROM catalog.limit_override AS v, jsonb_each(v.limits) AS each
    WHERE v.tenant_id = w.id AND v.ended_at IS NULL
        AND (v.expires_at IS NULL OR v.expires_at > now())
) AS o ON true;
