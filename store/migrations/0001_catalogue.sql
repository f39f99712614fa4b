-- Ids are UUIDs as text. Times are microseconds since 1970 in UTC, and NULL for
-- "not yet". Lengths are those of package catalog, in characters.

CREATE TABLE entity (
    id           {{.Text}} NOT NULL PRIMARY KEY CHECK (length(id) = 36),
    slug         {{.Text}} NOT NULL CHECK (length(slug) BETWEEN 1 AND 128),
    kind         SMALLINT NOT NULL,
    display_name {{.Text}} NOT NULL CHECK (length(display_name) <= 35),
    description  {{.Text}} NOT NULL CHECK (length(description) <= 100),
    organization {{.Text}} NOT NULL CHECK (length(organization) <= 35),
    location     {{.Text}} NOT NULL CHECK (length(location) <= 35),
    links        {{.Text}} NOT NULL CHECK (length(links) <= 65536), -- JSON
    created_at   BIGINT NOT NULL,
    deleted_at   BIGINT
);
-- A deleted entity keeps its name until it is purged, so that it can come back.
CREATE UNIQUE INDEX entity_slug ON entity (slug);
CREATE INDEX entity_deleted ON entity (deleted_at, id) WHERE deleted_at IS NOT NULL;

CREATE TABLE database (
    id                {{.Text}} NOT NULL PRIMARY KEY CHECK (length(id) = 36),
    owner_id          {{.Text}} NOT NULL REFERENCES entity (id),
    slug              {{.Text}} NOT NULL CHECK (length(slug) BETWEEN 1 AND 128),
    folded_slug       {{.Text}} NOT NULL,
    kind              SMALLINT NOT NULL,
    public_level      SMALLINT NOT NULL,
    anonymous_queries BOOLEAN NOT NULL,
    version           {{.Text}} NOT NULL CHECK (length(version) = 36),
    written           BOOLEAN NOT NULL,
    created_at        BIGINT NOT NULL,
    deleted_at        BIGINT
);
-- A deleted database gives its name free.
CREATE UNIQUE INDEX database_slug ON database (owner_id, folded_slug) WHERE deleted_at IS NULL;
CREATE INDEX database_owner ON database (owner_id, id);
CREATE INDEX database_deleted ON database (deleted_at, id) WHERE deleted_at IS NOT NULL;

-- position orders grants, and tokens, by when they were made.
CREATE TABLE access_grant (
    database_id {{.Text}} NOT NULL REFERENCES database (id),
    entity_id   {{.Text}} NOT NULL REFERENCES entity (id),
    access      SMALLINT NOT NULL,
    position    BIGINT NOT NULL,
    granted_at  BIGINT NOT NULL,
    PRIMARY KEY (database_id, entity_id)
);
CREATE INDEX access_grant_database ON access_grant (database_id, position, entity_id);
CREATE INDEX access_grant_entity ON access_grant (entity_id, position, database_id);
CREATE INDEX access_grant_position ON access_grant (position);

CREATE TABLE api_token (
    short       {{.Text}} NOT NULL PRIMARY KEY CHECK (length(short) BETWEEN 1 AND 32),
    entity_id   {{.Text}} NOT NULL REFERENCES entity (id),
    hash        {{.Text}} NOT NULL CHECK (length(hash) = 64),
    -- Purging the database removes the token. Never let this become NULL by
    -- itself: that would lift the limit.
    database_id {{.Text}} REFERENCES database (id),
    access      SMALLINT NOT NULL,
    app_name    {{.Text}} NOT NULL CHECK (length(app_name) <= 255),
    position    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT,
    revoked_at  BIGINT,
    used_at     BIGINT
);
CREATE INDEX api_token_entity ON api_token (entity_id, position, short);
CREATE INDEX api_token_database ON api_token (database_id) WHERE database_id IS NOT NULL;
CREATE INDEX api_token_position ON api_token (position);

-- The audit trail outlives what it speaks of, so it refers to nothing. An empty
-- id means none: NULLs would not be unique.
CREATE TABLE audit_record (
    id          {{.Text}} NOT NULL PRIMARY KEY CHECK (length(id) = 36),
    recorded_at BIGINT NOT NULL,
    entity_id   {{.Text}} NOT NULL,
    by_system   BOOLEAN NOT NULL,
    token       {{.Text}} NOT NULL CHECK (length(token) <= 32),
    address     {{.Text}} NOT NULL CHECK (length(address) <= 64),
    action      {{.Text}} NOT NULL CHECK (length(action) <= 64),
    database_id {{.Text}} NOT NULL,
    subject     {{.Text}} NOT NULL CHECK (length(subject) <= 300),
    outcome     {{.Text}} NOT NULL CHECK (length(outcome) <= 32)
);
CREATE INDEX audit_record_time ON audit_record (recorded_at);
CREATE INDEX audit_record_entity ON audit_record (entity_id, id);
CREATE INDEX audit_record_database ON audit_record (database_id, id);

CREATE TABLE query_count (
    minute      BIGINT NOT NULL,
    entity_id   {{.Text}} NOT NULL,
    token       {{.Text}} NOT NULL CHECK (length(token) <= 32),
    database_id {{.Text}} NOT NULL,
    queries     BIGINT NOT NULL,
    PRIMARY KEY (minute, entity_id, token, database_id)
);
