-- What proves that somebody may act as an entity: today e-mail addresses only.
CREATE TABLE authentication_method (
    kind       SMALLINT NOT NULL, -- 0: e-mail
    address    {{.Text}} NOT NULL CHECK (length(address) BETWEEN 1 AND 256),
    entity_id  {{.Text}} NOT NULL REFERENCES entity (id),
    status     SMALLINT NOT NULL, -- 0: verified, 1: revoked
    created_at BIGINT NOT NULL,
    PRIMARY KEY (kind, address)
);
CREATE INDEX authentication_method_entity ON authentication_method (entity_id, created_at, address);

-- E-mail tokens that have been used, as hashes.
CREATE TABLE used_token (
    hash       {{.Text}} NOT NULL PRIMARY KEY CHECK (length(hash) = 64),
    keep_until BIGINT NOT NULL
);
CREATE INDEX used_token_keep ON used_token (keep_until);

-- position orders members, and memberships, by when they were made.
CREATE TABLE member (
    organization_id {{.Text}} NOT NULL REFERENCES entity (id),
    entity_id       {{.Text}} NOT NULL REFERENCES entity (id),
    role            SMALLINT NOT NULL,
    position        BIGINT NOT NULL,
    joined_at       BIGINT NOT NULL,
    PRIMARY KEY (organization_id, entity_id)
);
CREATE INDEX member_organization ON member (organization_id, position, entity_id);
CREATE INDEX member_entity ON member (entity_id, position, organization_id);
CREATE INDEX member_position ON member (position);
