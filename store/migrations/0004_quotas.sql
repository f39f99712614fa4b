-- What the operator has said for one entity, or one database, alone: 0 nothing,
-- -1 no bound, else bytes or a number of databases.
ALTER TABLE entity ADD COLUMN quota_bytes BIGINT NOT NULL DEFAULT 0 CHECK (quota_bytes >= -1);
ALTER TABLE entity ADD COLUMN quota_database_bytes BIGINT NOT NULL DEFAULT 0 CHECK (quota_database_bytes >= -1);
ALTER TABLE entity ADD COLUMN quota_databases BIGINT NOT NULL DEFAULT 0 CHECK (quota_databases >= -1);
ALTER TABLE database ADD COLUMN quota_bytes BIGINT NOT NULL DEFAULT 0 CHECK (quota_bytes >= -1);
