-- How many live databases an entity has: counting those of an owner who has many would
-- take longer than making one more.
ALTER TABLE entity ADD COLUMN databases BIGINT NOT NULL DEFAULT 0;
UPDATE entity SET databases = (SELECT count(*) FROM database WHERE database.owner_id = entity.id AND database.deleted_at IS NULL);
