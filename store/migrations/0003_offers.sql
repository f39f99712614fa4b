-- Databases that their owners offer to somebody else. There is at most one offer
-- of a database; owner_id is who made it, and it ends when the database is moved.
-- position orders offers by when they were made.
CREATE TABLE transfer_offer (
    database_id {{.Text}} NOT NULL PRIMARY KEY REFERENCES database (id),
    owner_id    {{.Text}} NOT NULL REFERENCES entity (id),
    entity_id   {{.Text}} NOT NULL REFERENCES entity (id),
    position    BIGINT NOT NULL,
    offered_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX transfer_offer_owner ON transfer_offer (owner_id, position, database_id);
CREATE INDEX transfer_offer_entity ON transfer_offer (entity_id, position, database_id);
CREATE INDEX transfer_offer_position ON transfer_offer (position);
CREATE INDEX transfer_offer_expires ON transfer_offer (expires_at);
