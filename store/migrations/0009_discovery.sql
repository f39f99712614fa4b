-- The databases that everybody may discover, of an owner who may have many others. 0 is
-- no access.
CREATE INDEX database_public ON database (owner_id, id) WHERE public_level <> 0 AND deleted_at IS NULL;
