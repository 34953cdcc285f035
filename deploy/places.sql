-- name: databases
SELECT name AS cluster, shared_database AS database FROM catalog.cluster WHERE role = 'shared'
UNION
SELECT cluster, database FROM catalog.placement
ORDER BY cluster, database
