-- Versions of databases that a restore has put away and of which there is no
-- snapshot yet: their files are in the directory of owner_id, under image_id.
-- snapshot_id is empty until it is known.
CREATE TABLE replaced_version (
    image_id    {{.Text}} NOT NULL PRIMARY KEY,
    database_id {{.Text}} NOT NULL REFERENCES database (id),
    owner_id    {{.Text}} NOT NULL,
    snapshot_id {{.Text}} NOT NULL,
    bytes       BIGINT NOT NULL,
    replaced_at BIGINT NOT NULL
);
CREATE INDEX replaced_version_database ON replaced_version (database_id);
