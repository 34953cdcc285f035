-- What an operator was given of a tenant: its name, or something of its people, payments, requests.

-- name: find
-- Each way is answered by an index of its own, but for the words within a name. A subscription is
-- looked for only where the word is one, as it lies inside of what was seen of its customer.
WITH found (tenant_id, way, what) AS (
    (SELECT id, 'id', id::text FROM catalog.tenant WHERE id::text = $1 LIMIT $2)
    UNION ALL
    (SELECT tenant_id, CASE WHEN is_current THEN 'slug' ELSE 'former slug' END, slug
     FROM catalog.slug WHERE slug LIKE $3 ESCAPE '\' ORDER BY slug LIMIT $2)
    UNION ALL
    (SELECT id, 'name', name FROM catalog.tenant
     WHERE lower(name) LIKE '%' || $3 ESCAPE '\' ORDER BY slug LIMIT $2)
    UNION ALL
    (SELECT tenant_id, 'domain', name FROM catalog.domain
     WHERE name LIKE $3 ESCAPE '\' ORDER BY name LIMIT $2)
    UNION ALL
    (SELECT tenant_id, 'claimed domain', name FROM catalog.domain_claim
     WHERE verified_at IS NULL AND name LIKE $3 ESCAPE '\' ORDER BY name LIMIT $2)
    UNION ALL
    (SELECT m.tenant_id, 'member', a.email FROM catalog.account AS a
     JOIN catalog.membership AS m ON m.account_id = a.id WHERE lower(a.email) = $1 LIMIT $2)
    UNION ALL
    (SELECT tenant_id, 'invited', email FROM catalog.invitation
     WHERE lower(email) = $1 AND accepted_at IS NULL LIMIT $2)
    UNION ALL
    (SELECT tenant_id, 'customer', customer_id FROM catalog.billing WHERE customer_id = $4 LIMIT $2)
    UNION ALL
    (SELECT tenant_id, 'subscription', $4 FROM catalog.billing
     WHERE starts_with($4, 'sub_')
        AND seen @> jsonb_build_object('subscriptions', jsonb_build_array(jsonb_build_object('id', $4)))
     LIMIT $2)
    UNION ALL
    (SELECT DISTINCT tenant_id, 'request', $4 FROM catalog.audit
     WHERE request_id = $4 AND tenant_id IS NOT NULL LIMIT $2)
)
SELECT DISTINCT ON (t.slug) t.slug, t.id, t.name, t.status, t.plan, p.tier, f.way, f.what
FROM found AS f
JOIN catalog.tenant AS t ON t.id = f.tenant_id
LEFT JOIN catalog.placement AS p ON p.tenant_id = t.id
ORDER BY t.slug, f.way NOT IN ('id', 'slug'), f.way = 'name', f.way
LIMIT $2
