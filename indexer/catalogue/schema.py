"""The catalogue's tables, as named migrations.

Paths are BLOBs holding the file system's own bytes (`os.fsencode`), so that a name that is not UTF-8 is stored as it
is. Times are ISO 8601, UTC where they are ours. Lists are JSON arrays. Inodes are stored as signed 64-bit numbers.
"""

from __future__ import annotations

from indexer.catalogue.reasons_migration import store_reasons_as_codes
from indexer.sqlite.migrating import Migration

_FIRST = """
CREATE TABLE root (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,
    device INTEGER,                          -- st_dev at the last walk that was believed
    walk INTEGER NOT NULL DEFAULT 0,         -- counts walks
    walked_at TEXT,                          -- end of the last complete walk
    held_back TEXT,                          -- why the last walk removed nothing
    accept_losses INTEGER NOT NULL DEFAULT 0 -- the next complete walk is believed, whatever it lost
);

CREATE TABLE photo (
    id TEXT PRIMARY KEY,                     -- the content key
    mime_type TEXT NOT NULL,
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL,
    taken_at TEXT,
    camera TEXT,
    lens TEXT,
    exposure_s REAL,
    f_number REAL,
    iso INTEGER,
    focal_length_mm REAL,
    orientation INTEGER NOT NULL DEFAULT 1,
    latitude REAL,
    longitude REAL,
    altitude_m REAL,
    rating INTEGER,
    title TEXT,
    keywords TEXT NOT NULL DEFAULT '[]',
    people TEXT NOT NULL DEFAULT '[]',
    file_caption TEXT,                       -- our own caption as it stood in the file: [text, model, confidence]
    damage TEXT,                             -- what is wrong with the file, where it can be shown all the same
    person_caption TEXT,                     -- drawn from the files, see catalogue.settle
    machine_text TEXT,
    machine_confidence REAL,
    machine_model TEXT,
    tags TEXT NOT NULL DEFAULT '[]',         -- [[word, probability], ...]
    embedding BLOB,                          -- float16, little-endian
    caption_place TEXT,
    caption_reason TEXT,
    added_at TEXT NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0,         -- no present file shows it
    revision INTEGER NOT NULL DEFAULT 1,
    search_revision INTEGER NOT NULL DEFAULT 0,
    worded INTEGER GENERATED ALWAYS AS (person_caption IS NOT NULL OR machine_text IS NOT NULL) VIRTUAL,
    unpushed INTEGER GENERATED ALWAYS AS (revision > search_revision) VIRTUAL
);
CREATE INDEX photo_worded ON photo (gone, worded);
CREATE INDEX photo_unpushed ON photo (gone, unpushed);
CREATE INDEX photo_removed ON photo (id) WHERE gone = 1 AND search_revision > 0;

CREATE TABLE file (
    id INTEGER PRIMARY KEY,
    root_id INTEGER NOT NULL REFERENCES root (id),
    folder BLOB NOT NULL,                    -- relative to the root, x'' for the root itself
    name BLOB NOT NULL,
    mtime_ns INTEGER NOT NULL,
    size INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    sidecar INTEGER NOT NULL DEFAULT 0,      -- fingerprint of the stamps of its XMP sidecars, 0 for none
    photo_id TEXT REFERENCES photo (id),
    person_caption TEXT,                     -- a person's words in this file or its sidecar
    settled_at TEXT,
    missing_since TEXT,
    seen_walk INTEGER NOT NULL DEFAULT 0,    -- the root's walk count when it last was new, changed, moved or back
    UNIQUE (root_id, folder, name)
);
CREATE INDEX file_photo ON file (photo_id);
CREATE INDEX file_inode ON file (inode, size, mtime_ns);
CREATE INDEX file_missing ON file (root_id) WHERE missing_since IS NOT NULL;

CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    file_id INTEGER NOT NULL REFERENCES file (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    rank INTEGER NOT NULL DEFAULT 0,         -- claimed in the order of rank, then id
    state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'claimed', 'aside')),
    attempts INTEGER NOT NULL DEFAULT 0,
    suspect INTEGER NOT NULL DEFAULT 0,      -- a process died while it held this job: it is handed out alone
    again INTEGER NOT NULL DEFAULT 0,        -- the file changed while the job was claimed
    claimed_at TEXT,
    reason TEXT,
    reason_kind TEXT,
    at TEXT,
    UNIQUE (file_id, kind)
);
CREATE INDEX job_turn ON job (state, suspect, rank, id);
"""

# Of the files of older catalogues it is known per photo only where our words went.
_CORRECTIONS = """
ALTER TABLE photo ADD COLUMN corrected_text TEXT;  -- what a person typed on the page in place of the caption
ALTER TABLE photo ADD COLUMN corrected_at TEXT;    -- when it was typed, taken back or overtaken
DROP INDEX photo_worded;
ALTER TABLE photo DROP COLUMN worded;
ALTER TABLE photo ADD COLUMN worded INTEGER GENERATED ALWAYS AS (
    person_caption IS NOT NULL OR machine_text IS NOT NULL OR corrected_text IS NOT NULL) VIRTUAL;
CREATE INDEX photo_worded ON photo (gone, worded);
ALTER TABLE file ADD COLUMN ours TEXT;             -- photo.EmbedState: whether words of ours stand in it or beside it
UPDATE file SET ours = 'held'
    WHERE photo_id IN (SELECT id FROM photo WHERE caption_place IN ('exif', 'xmp', 'sidecar'));
UPDATE file SET ours = 'taken out' WHERE photo_id IN (
    SELECT id FROM photo WHERE caption_reason = 'the caption was taken out of the file on purpose');
"""

# One copy of a photo may take the words, another not. Unknown for the files of older catalogues.
_PLACES = """
ALTER TABLE file ADD COLUMN caption_place TEXT;
ALTER TABLE file ADD COLUMN caption_reason TEXT;
"""

# What search holds and what it refused, see `outbox`. Comparing a whole library goes through `photo_search` alone.
_OUTBOX = """
DROP INDEX photo_unpushed;
DROP INDEX photo_removed;
ALTER TABLE photo DROP COLUMN unpushed;
ALTER TABLE photo ADD COLUMN refused_revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE photo ADD COLUMN refused_reason TEXT;
ALTER TABLE photo ADD COLUMN unpushed INTEGER
    GENERATED ALWAYS AS (revision > max(search_revision, refused_revision)) VIRTUAL;
CREATE INDEX photo_unpushed ON photo (gone, unpushed);
CREATE INDEX photo_removed ON photo (id) WHERE gone = 1 AND search_revision <> 0;
CREATE INDEX photo_refused ON photo (id) WHERE refused_revision > 0;
CREATE INDEX photo_search ON photo (id, search_revision, revision, gone);
CREATE TABLE search (position TEXT NOT NULL);  -- where search stood when it held what is noted of it
INSERT INTO search VALUES ('');
"""

# What people say of a photo beside its caption, see `remarks`. What was marked as wrong is a sentence: a newer model's
# counts, unless it is the same.
_REMARKS = """
ALTER TABLE photo ADD COLUMN added_words TEXT NOT NULL DEFAULT '[]';
ALTER TABLE photo ADD COLUMN wrong_text TEXT;      -- the model's sentence that a person marked as wrong
ALTER TABLE photo ADD COLUMN wrong INTEGER GENERATED ALWAYS AS (
    machine_text IS NOT NULL AND machine_text IS wrong_text) VIRTUAL;
DROP INDEX photo_worded;
ALTER TABLE photo DROP COLUMN worded;
ALTER TABLE photo ADD COLUMN worded INTEGER GENERATED ALWAYS AS (
    person_caption IS NOT NULL OR corrected_text IS NOT NULL
    OR (machine_text IS NOT NULL AND machine_text IS NOT wrong_text)) VIRTUAL;
CREATE INDEX photo_worded ON photo (gone, worded);
CREATE INDEX photo_wrong ON photo (id) WHERE wrong_text IS NOT NULL;
CREATE INDEX photo_model ON photo (gone, machine_model);
"""

# What a caption says of itself. The captions that are there are sure by the rule of their models, and search hears of
# those that are not. A model that saw nothing has captioned nothing.
_EVIDENCE = """
ALTER TABLE photo ADD COLUMN machine_words TEXT NOT NULL DEFAULT '[]';  -- [[word, probability], ...]
ALTER TABLE photo ADD COLUMN machine_sure INTEGER NOT NULL DEFAULT 1;
UPDATE photo SET machine_sure = 0, revision = revision + 1 WHERE machine_confidence < 0.4;
DROP INDEX photo_worded;
ALTER TABLE photo DROP COLUMN worded;
ALTER TABLE photo ADD COLUMN worded INTEGER GENERATED ALWAYS AS (
    person_caption IS NOT NULL OR corrected_text IS NOT NULL
    OR (machine_text <> '' AND machine_text IS NOT wrong_text)) VIRTUAL;
CREATE INDEX photo_worded ON photo (gone, worded);
CREATE INDEX photo_place ON photo (gone, caption_place, caption_reason);
"""

# How much of `taken_at` is known.
_DATES = """
ALTER TABLE photo ADD COLUMN taken_precision TEXT NOT NULL DEFAULT 'time';  -- photo.DatePrecision
"""

# What else a file says of itself, and by which version of the reader it was read (photo.METADATA_VERSION): the files of
# older catalogues are read again. Search hears of cameras and lenses at once: it looks for them as words now.
_SAID_BY_FILES = """
ALTER TABLE photo ADD COLUMN said TEXT NOT NULL DEFAULT '{}';  -- {headline, subjects, locations, ...}: see rows.SAID
ALTER TABLE file ADD COLUMN read_version INTEGER;
ALTER TABLE root ADD COLUMN passed_over TEXT NOT NULL DEFAULT '{}';  -- {suffix: how many files of it are not read}
UPDATE photo SET revision = revision + 1 WHERE camera IS NOT NULL OR lens IS NOT NULL;
"""

# What a scan could not look at, and whose tags and embedding a photo has beside its sentence: a sentence that was taken
# back from a file has none until a model looks at the photo again.
_UNREADABLE_AND_INCOMPLETE = """
CREATE TABLE unreadable (
    root_id INTEGER NOT NULL REFERENCES root (id) ON DELETE CASCADE,
    path BLOB NOT NULL,                      -- relative to the root: a folder, or a file that can't be looked at
    code TEXT NOT NULL,                      -- the errno's name, such as EACCES
    at TEXT NOT NULL,                        -- when a scan first met it so
    PRIMARY KEY (root_id, path)
);
ALTER TABLE photo ADD COLUMN look_model TEXT;  -- the model that gave tags and embedding, or had none to give
UPDATE photo SET look_model = machine_model WHERE tags <> '[]' OR embedding IS NOT NULL OR machine_text = '';
CREATE INDEX photo_incomplete ON photo (id) WHERE look_model IS NULL AND machine_model IS NOT NULL;
CREATE INDEX job_thumbnails ON job (file_id) WHERE kind = 'thumbnails';
"""

# What failed for a passing reason is tried again, see `retries`. Until now it was final, and known by its sentence.
_RETRIES = """
ALTER TABLE job ADD COLUMN rounds INTEGER NOT NULL DEFAULT 0;  -- how often it was set aside
ALTER TABLE job ADD COLUMN retry_at TEXT;                      -- of a job that was set aside: when it is tried again
UPDATE job SET reason_kind = 'denied'
    WHERE state = 'aside' AND reason LIKE 'the file can''t be read (Permission denied)%';
UPDATE job SET reason_kind = 'disk'
    WHERE state = 'aside' AND reason_kind = 'unreadable' AND reason LIKE 'the file can''t be read (%';
UPDATE job SET reason_kind = 'memory' WHERE state = 'aside' AND (reason LIKE 'it needs more memory than a reader%'
    OR reason LIKE 'the picture needs more memory than a reader%');
UPDATE job SET reason_kind = 'reader'
    WHERE state = 'aside' AND reason LIKE 'the process that opened it died or hung twice%';
UPDATE job SET retry_at = at WHERE state = 'aside' AND reason_kind NOT IN ('unreadable', 'denied');
ALTER TABLE file ADD COLUMN obstacle TEXT;  -- passing.Obstacle: what keeps the caption from further up the ladder
ALTER TABLE file ADD COLUMN write_tries INTEGER NOT NULL DEFAULT 0;  -- how often it was in vain since
ALTER TABLE file ADD COLUMN write_at TEXT;                           -- not before this moment again
UPDATE file SET obstacle = (SELECT CASE
    WHEN reason = 'writing captions into files is switched off' THEN 'off'
    WHEN reason = 'the model is not sure of it' THEN 'unsure'
    WHEN reason LIKE '%the disk is full%' OR reason LIKE '%the disk quota is used up%' THEN 'space'
    WHEN reason LIKE '%permission denied%' OR reason LIKE '%operation not permitted%'
        OR reason LIKE '%the file system is read-only%' THEN 'rights'
    WHEN reason LIKE '%belongs to somebody else%' THEN 'owner'
    WHEN reason LIKE '%several hard links%' THEN 'links'
    WHEN reason LIKE '%the disk reports an error%' OR reason LIKE '%the network share has lost the file%'
        OR reason LIKE '%the disk gave back other bytes%' THEN 'disk'
    WHEN reason LIKE '%another program%file%' OR reason LIKE '%other programs keep changing the file%'
        OR reason LIKE '%the file is in use%' OR reason LIKE '%the file has changed since it was looked at%'
        THEN 'others'
    WHEN reason LIKE '%died or hung twice%' THEN 'reader'
    WHEN reason IS NULL AND place = 'sidecar' THEN 'sidecar' END
    FROM (SELECT CASE WHEN file.caption_place IS NULL THEN photo.caption_place ELSE file.caption_place END AS place,
        CASE WHEN file.caption_place IS NULL THEN photo.caption_reason ELSE file.caption_reason END AS reason
        FROM photo WHERE photo.id = file.photo_id) WHERE place IN ('index', 'sidecar'));
CREATE INDEX file_obstacle ON file (obstacle, root_id) WHERE obstacle IS NOT NULL;
ALTER TABLE root ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;  -- nobody wants it any more
CREATE TABLE scan_request (id INTEGER PRIMARY KEY, roots TEXT NOT NULL, at TEXT NOT NULL, progress TEXT,
    done INTEGER NOT NULL DEFAULT 0);
"""

# A few files of a photo are found, and all are counted, without a look at each: some photo has 20,000 copies.
_COPIES = """
DROP INDEX file_photo;
CREATE INDEX file_photo ON file (photo_id, missing_since IS NOT NULL);
"""

# The id of a withdrawn request is never given again: the scanning process knows requests by it.
_SCAN_REQUESTS = """
DROP TABLE scan_request;
CREATE TABLE scan_request (id INTEGER PRIMARY KEY AUTOINCREMENT, roots TEXT NOT NULL, at TEXT NOT NULL, progress TEXT,
    done INTEGER NOT NULL DEFAULT 0);
"""

# Photos that are nearly the same, see `stacks`: all that are known are looked at once.
_SIMILAR = """
ALTER TABLE photo ADD COLUMN stack TEXT;  -- the photo that stands for its stack, where it is in one
ALTER TABLE photo ADD COLUMN stack_due INTEGER NOT NULL DEFAULT 1;  -- what its stack depends on has changed
CREATE INDEX photo_moment ON photo (substr(taken_at, 1, 19)) WHERE gone = 0 AND taken_precision = 'time';
CREATE INDEX photo_stack ON photo (stack) WHERE stack IS NOT NULL;
CREATE INDEX photo_stack_due ON photo (stack_due) WHERE stack_due = 1;
"""

# What the picture itself measures, see `images.measures`: empty where it can't be measured, and NULL until it was.
_MEASURES = """
ALTER TABLE photo ADD COLUMN measures BLOB;
CREATE INDEX photo_unmeasured ON photo (id) WHERE measures IS NULL AND gone = 0;
"""

# What the answering search index has already (`outbox.REFILL`) comes after what is new, or changes meanwhile.
_REFILL = """
CREATE INDEX photo_changed ON photo (id) WHERE gone = 0 AND unpushed = 1 AND search_revision <> -2;
CREATE TRIGGER photo_changes AFTER UPDATE OF revision ON photo WHEN NEW.search_revision = -2
BEGIN UPDATE photo SET search_revision = -1 WHERE id = NEW.id; END;
"""

# Who is seen: faces, persons, and what people decided about them, see `people`. How faces look is not here: vectors are
# derived, and stand in a file of their own (`people.vectors`).
_PEOPLE = """
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT,                               -- as a person or a file gave it; NULL: a group of faces without a name
    ignored INTEGER NOT NULL DEFAULT 0,      -- nobody wants to see it
    decided INTEGER NOT NULL DEFAULT 0       -- people or files have said who it is: it never becomes another one's part
);
CREATE TABLE face (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    photo_id TEXT NOT NULL REFERENCES photo (id),
    x REAL NOT NULL,                         -- the box: fractions of the upright picture, from its upper left corner
    y REAL NOT NULL,
    width REAL NOT NULL,
    height REAL NOT NULL,
    score REAL NOT NULL,                     -- the detector's probability
    size_px REAL NOT NULL,                   -- the shorter side in the picture that was looked at
    model TEXT NOT NULL,
    label TEXT,                              -- the name of the region in the file that it was matched to
    person_id INTEGER REFERENCES person (id),
    origin TEXT,                             -- people.AssignedBy: by whom it is that person's
    cluster INTEGER                          -- faces that look alike: the id of the first of them
);
CREATE INDEX face_photo ON face (photo_id);
CREATE INDEX face_person ON face (person_id, photo_id) WHERE person_id IS NOT NULL;
CREATE INDEX face_new ON face (id) WHERE cluster IS NULL;
CREATE TABLE not_person (                    -- people said that this face is not this person's
    face_id INTEGER NOT NULL REFERENCES face (id) ON DELETE CASCADE,
    person_id INTEGER NOT NULL REFERENCES person (id),
    what TEXT NOT NULL DEFAULT 'not person', -- tells its rows from other tables', see recovery.rebuild
    PRIMARY KEY (face_id, person_id)
);
CREATE TABLE not_same (                      -- people said that these are two persons; the lower id first
    person_id INTEGER NOT NULL REFERENCES person (id),
    other_id INTEGER NOT NULL REFERENCES person (id),
    what TEXT NOT NULL DEFAULT 'not same',
    PRIMARY KEY (person_id, other_id)
);
CREATE TABLE candidate (                     -- groups that look like a named person
    person_id INTEGER NOT NULL REFERENCES person (id),
    other_id INTEGER NOT NULL REFERENCES person (id),
    distance REAL NOT NULL,
    PRIMARY KEY (person_id, other_id)
);
CREATE TABLE people_decision (               -- what people decided, and what was before
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    before TEXT NOT NULL                     -- JSON, see people_decisions
);
CREATE TABLE people_switch (
    is_on INTEGER,                           -- NULL: as the setting says
    deletions INTEGER NOT NULL DEFAULT 0     -- how often everything was deleted
);
INSERT INTO people_switch VALUES (NULL, 0);
ALTER TABLE photo ADD COLUMN faces_model TEXT;  -- the model that has looked for faces
CREATE INDEX photo_faces ON photo (faces_model) WHERE gone = 0;
CREATE INDEX job_faces ON job (file_id) WHERE kind = 'faces';
"""

# Which names of faces stand in files, see `names_in_files`.
_NAMES_IN_FILES = """
CREATE TABLE file_names (
    file_id INTEGER PRIMARY KEY REFERENCES file (id) ON DELETE CASCADE,
    names TEXT NOT NULL,                     -- NamesInFiles.wanted, as it was carried out last
    place TEXT,                              -- 'xmp' or 'sidecar'; NULL: nowhere
    reason TEXT,                             -- why not, or why in no better place
    tries INTEGER NOT NULL DEFAULT 0,        -- how often it was in vain for a passing reason
    retry_at TEXT,                           -- not before this moment again
    removed INTEGER NOT NULL DEFAULT 0       -- people took them out of the file on purpose
);
CREATE INDEX job_names ON job (file_id) WHERE kind = 'names';
"""

#: In the order they are applied; a migration that was released never changes.
CATALOGUE_MIGRATIONS: tuple[Migration, ...] = (
    ("catalogue-1", _FIRST),
    ("catalogue-2", _CORRECTIONS),
    ("catalogue-3", _PLACES),
    ("catalogue-4", _OUTBOX),
    ("catalogue-5", _REMARKS),
    ("catalogue-6", _EVIDENCE),
    ("catalogue-7", _DATES),
    ("catalogue-8", _SAID_BY_FILES),
    ("catalogue-9", _UNREADABLE_AND_INCOMPLETE),
    ("catalogue-10", _RETRIES),
    ("catalogue-copies", _COPIES),
    ("catalogue-scan-requests", _SCAN_REQUESTS),
    ("catalogue-reasons", store_reasons_as_codes),
    ("catalogue-measures", _MEASURES),
    ("catalogue-similar", _SIMILAR),
    ("catalogue-refill", _REFILL),
    ("catalogue-people", _PEOPLE),
    ("catalogue-names-in-files", _NAMES_IN_FILES),
)
