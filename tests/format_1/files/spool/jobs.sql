BEGIN TRANSACTION;
CREATE TABLE items (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL REFERENCES uploads (name),
    reference TEXT REFERENCES uploads (name),
    state TEXT NOT NULL DEFAULT 'queued',
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    facts TEXT,
    bytes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job, number)
);
INSERT INTO "items" VALUES('b37f53d27eef513c561d9bb6f620e848',1,'a.png','711ef14715bc406b04bc29ce4c957689',NULL,'done',1,NULL,'{"width": 48, "height": 48, "frames": 1, "channels": 1, "has_alpha": false, "dtype": "uint8", "bit_depth": 8, "format": "PNG", "written": "PNG", "media_type": "image/png", "suffix": ".png", "sigma": 12.029232036322357, "engine": "onnxruntime fp32", "size_note": null, "difference_gain": 2, "remarks": [], "seconds": 0.35978387399973144, "previews": ["before", "after", "difference"]}',6752);
INSERT INTO "items" VALUES('8075d217cec1e3e62525c0e22a8a63b2',1,'c.png','dbb7a3827b7e1a7ca760caf10f69f35d',NULL,'running',1,NULL,NULL,0);
INSERT INTO "items" VALUES('8075d217cec1e3e62525c0e22a8a63b2',2,'d.png','3cbaf911c7f8c6ee2fdb147adc58582e',NULL,'queued',0,NULL,NULL,0);
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    created REAL NOT NULL,
    turn REAL NOT NULL,
    finished REAL,
    cancelled INTEGER NOT NULL DEFAULT 0,
    options TEXT NOT NULL
);
INSERT INTO "jobs" VALUES('b37f53d27eef513c561d9bb6f620e848',1.79594521082614493371e+09,1.79594521083348298076e+09,1.79594521124631190294e+09,0,'{"model": "photo-fast", "strength": 1.0, "sigma": null, "classifier": null}');
INSERT INTO "jobs" VALUES('8075d217cec1e3e62525c0e22a8a63b2',1.79594521193312025067e+09,1.79594521193720388415e+09,NULL,0,'{"model": "photo-fast", "strength": 1.0, "sigma": 0.0392156862745098, "classifier": null}');
CREATE TABLE uploads (name TEXT PRIMARY KEY, bytes INTEGER NOT NULL);
INSERT INTO "uploads" VALUES('711ef14715bc406b04bc29ce4c957689',1868);
INSERT INTO "uploads" VALUES('dbb7a3827b7e1a7ca760caf10f69f35d',1883);
INSERT INTO "uploads" VALUES('3cbaf911c7f8c6ee2fdb147adc58582e',1871);
CREATE INDEX states ON items (state);
CREATE INDEX sources ON items (source);
CREATE INDEX refs ON items (reference);
COMMIT;
