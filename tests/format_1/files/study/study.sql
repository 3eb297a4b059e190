BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'tune');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'definition','{"recipe": {"data": {"name": "digits", "validation": 0.1, "split_seed": 42, "train_images": 64, "crop": 0, "augment": false, "gray": 0.0, "stretched": false}, "model": {"name": "dense", "image": [1, 8, 8], "widths": [4]}, "train": {"epochs": 1, "batch_size": 16, "lr": 0.01, "minutes": 0.0, "steps": 0, "start": "", "optimizer": "adam", "schedule": "constant", "hold": 0.0, "warmup": 0, "weight_decay": 0.0, "gradient_clip": 0.0, "ema": 0.0, "patience": 0, "seed": 0}, "objective": {"name": "supervised"}, "noise": {"name": "gaussian", "clip": true, "fresh": true, "sigma": 0.3}, "loss": {"name": "bce"}}, "--vary": {"train.lr": [0.001, "..", 0.1, false], "train.optimizer": ["adam", "adamw"], "model.widths": [[4], [8]]}}');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,1,6.7812442779541015625e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,2,1,6.83236777782440185546e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,3,1,5.69259583950042724609e-01,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'train.lr',0.01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(2,1,'train.optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(3,1,'model.widths',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(4,2,'train.lr',7.52720817660748522243e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(5,2,'train.optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(6,2,'model.widths',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(7,3,'train.lr',3.92319999168631514119e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(8,3,'train.optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(9,3,'model.widths',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'fixed_params','{"train.lr": 0.01, "train.optimizer": 0, "model.widths": 0}');
INSERT INTO "trial_system_attributes" VALUES(2,2,'tpe:relative_params:0','"{\"model.widths\": 0, \"train.lr\": 0.007527208176607485, \"train.optimizer\": 0}"');
INSERT INTO "trial_system_attributes" VALUES(3,3,'tpe:relative_params:0','"{\"model.widths\": 0, \"train.lr\": 0.03923199991686315, \"train.optimizer\": 0}"');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'trial','1');
INSERT INTO "trial_user_attributes" VALUES(2,1,'outcome','{"number": 1, "values": {"train.lr": 0.01, "train.optimizer": "adam", "model.widths": [4]}, "state": "done", "loss": 0.6781244277954102, "psnr": 7.653482183683072, "epochs": 1, "seconds": 2.364447141999335, "note": ""}');
INSERT INTO "trial_user_attributes" VALUES(3,2,'trial','2');
INSERT INTO "trial_user_attributes" VALUES(4,2,'outcome','{"number": 2, "values": {"train.lr": 0.007527, "train.optimizer": "adam", "model.widths": [4]}, "state": "done", "loss": 0.6832367777824402, "psnr": 7.589660189844609, "epochs": 1, "seconds": 0.1052757819998078, "note": ""}');
INSERT INTO "trial_user_attributes" VALUES(5,3,'trial','3');
INSERT INTO "trial_user_attributes" VALUES(6,3,'outcome','{"number": 3, "values": {"train.lr": 0.03923, "train.optimizer": "adam", "model.widths": [4]}, "state": "done", "loss": 0.5692595839500427, "psnr": 9.154909765585188, "epochs": 1, "seconds": 0.12520368500008772, "note": ""}');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,6.7812442779541015625e-01,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,6.83236777782440185546e-01,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,5.69259583950042724609e-01,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-29 09:39:17.624692','2026-11-29 09:39:20.133572');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-29 09:39:20.175666','2026-11-29 09:39:20.453747');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-29 09:39:20.501020','2026-11-29 09:39:20.815460');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
