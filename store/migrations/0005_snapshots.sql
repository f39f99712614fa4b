-- changed names the last change that is not known to be in a snapshot, NULL if
-- there is none. Nothing was noted before, so whatever has been written may have
-- changed.
ALTER TABLE database ADD COLUMN changed {{.Text}} CHECK (length(changed) = 36);
UPDATE database SET changed = version WHERE written;
CREATE INDEX database_changed ON database (changed) WHERE changed IS NOT NULL;

-- Where the snapshots are in the bucket, entity/database: the names at the time
-- of the first one. NULL if there was none.
ALTER TABLE database ADD COLUMN snapshot_place {{.Text}} CHECK (length(snapshot_place) <= 300);
CREATE UNIQUE INDEX database_snapshot_place ON database (lower(snapshot_place)) WHERE snapshot_place IS NOT NULL;

-- When some of the snapshots lapse, whether or not there are changes.
ALTER TABLE database ADD COLUMN snapshots_due_at BIGINT;
CREATE INDEX database_snapshots_due ON database (snapshots_due_at) WHERE snapshots_due_at IS NOT NULL;

-- As of when the database is proven to be restorable: when that snapshot was
-- taken that a drill has restored last.
ALTER TABLE database ADD COLUMN proven_at BIGINT;

-- The bucket that the changes are noted for: at most one row.
CREATE TABLE snapshot_bucket (
    name {{.Text}} NOT NULL PRIMARY KEY CHECK (length(name) <= 64)
);
