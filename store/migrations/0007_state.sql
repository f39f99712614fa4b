-- What is known of the metadata itself: one row. lineage tells it from the metadata
-- of other servers, and stays with its copies. changes counts the changes that are
-- worth a copy, and counts those that are not: what was counted, and what was
-- trimmed. All three are kept by SQLite alone, see change.go. key_proof shows which
-- key e-mail tokens are sealed with; empty: none has been.
CREATE TABLE metadata_state (
    lineage   {{.Text}} NOT NULL CHECK (length(lineage) <= 64),
    changes   BIGINT NOT NULL,
    counts    BIGINT NOT NULL,
    key_proof {{.Text}} NOT NULL CHECK (length(key_proof) <= 500)
);
INSERT INTO metadata_state (lineage, changes, counts, key_proof) VALUES ('', 0, 0, '');
