SET check_function_bodies = off;
CREATE EXTENSION IF NOT EXISTS intarray WITH SCHEMA public;
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
CREATE FUNCTION image_binned() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN DELETE FROM untagged_images WHERE image_id = NEW.id; RETURN NULL; END $$;
CREATE FUNCTION image_listed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN INSERT INTO untagged_images VALUES (NEW.id); RETURN NULL; END $$;
CREATE FUNCTION image_restored() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN 
        INSERT INTO untagged_images SELECT NEW.id
            WHERE NOT EXISTS (SELECT FROM image_tags WHERE image_id = NEW.id);
         RETURN NULL; END $$;
CREATE FUNCTION links_added() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN 
        INSERT INTO tag_count_changes (tag_id, change) SELECT tag_id, count(*) FROM added GROUP BY tag_id;
        DELETE FROM untagged_images WHERE image_id = ANY (ARRAY(SELECT DISTINCT image_id FROM added));
         RETURN NULL; END $$;
CREATE FUNCTION links_changed_by_delete() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN
                INSERT INTO changed_images SELECT DISTINCT image_id FROM changed JOIN tags t ON t.id = tag_id AND t.deleted_at IS NULL WHERE image_id < (
                    SELECT greatest(
                        ((extract(epoch from clock_timestamp()) * 1000)::bigint - 1704067200000 - 1800000) << 12,
                        (SELECT end_id FROM packed_blocks ORDER BY first_id DESC LIMIT 1)
                    )
                );
                RETURN NULL;
            END $$;
CREATE FUNCTION links_changed_by_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN
                INSERT INTO changed_images SELECT DISTINCT image_id FROM changed WHERE image_id < (
                    SELECT greatest(
                        ((extract(epoch from clock_timestamp()) * 1000)::bigint - 1704067200000 - 1800000) << 12,
                        (SELECT end_id FROM packed_blocks ORDER BY first_id DESC LIMIT 1)
                    )
                );
                RETURN NULL;
            END $$;
CREATE FUNCTION links_removed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN 
        INSERT INTO tag_count_changes (tag_id, change) SELECT tag_id, -count(*) FROM removed GROUP BY tag_id;
        INSERT INTO untagged_images SELECT id FROM images
            WHERE id = ANY (ARRAY(SELECT DISTINCT image_id FROM removed)) AND deleted_at IS NULL
            AND NOT EXISTS (SELECT FROM image_tags WHERE image_id = images.id OFFSET 0)
            ON CONFLICT DO NOTHING;
         RETURN NULL; END $$;
CREATE TABLE alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE binned_image_tags (
    image_id bigint NOT NULL,
    tag_id bigint NOT NULL
);
COMMENT ON TABLE binned_image_tags IS 'where the links of an image wait while it is in the bin';
CREATE TABLE changed_images (
    image_id bigint NOT NULL
);
COMMENT ON TABLE changed_images IS 'images whose links may have changed since they were packed; once for each change';
CREATE SEQUENCE image_id_low_bits
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE image_tags (
    image_id bigint NOT NULL,
    tag_id bigint NOT NULL
);
COMMENT ON TABLE image_tags IS 'links of images that are not in the bin: a search by tag need not look at the images';
CREATE TABLE images (
    id bigint DEFAULT (((((EXTRACT(epoch FROM clock_timestamp()) * (1000)::numeric))::bigint - '1704067200000'::bigint) << 12) | (nextval('image_id_low_bits'::regclass) & (4095)::bigint)) NOT NULL,
    created_at timestamp with time zone GENERATED ALWAYS AS (to_timestamp((((((id >> 12) + '1704067200000'::bigint))::numeric / 1000.0))::double precision)) STORED NOT NULL,
    created_by text NOT NULL,
    status text NOT NULL,
    filename text NOT NULL,
    content_type text NOT NULL,
    size bigint NOT NULL,
    checksum_sha256 text,
    object_key text NOT NULL COLLATE pg_catalog."C",
    sequencer text,
    multipart_upload_id text,
    uploaded_at timestamp with time zone,
    deleted_at timestamp with time zone,
    rejection text,
    metadata jsonb NOT NULL,
    attributes jsonb NOT NULL,
    CONSTRAINT checksum_form CHECK ((checksum_sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT filename_characters CHECK ((filename !~ '[/\\\x01-\x1f\x7f]'::text)),
    CONSTRAINT filename_length CHECK (((char_length(filename) >= 1) AND (char_length(filename) <= 255))),
    CONSTRAINT metadata_object CHECK ((jsonb_typeof(metadata) = 'object'::text)),
    CONSTRAINT size_range CHECK (((size >= 1) AND (size <= '5497558138880'::bigint))),
    CONSTRAINT status_known CHECK ((status = ANY (ARRAY['pending'::text, 'present'::text, 'missing'::text, 'rejected'::text]))),
    CONSTRAINT uploaded_when_present CHECK (((uploaded_at IS NULL) = (status = ANY (ARRAY['pending'::text, 'missing'::text]))))
);
COMMENT ON COLUMN images.size IS 'bytes: as declared until present, then as the storage says';
COMMENT ON COLUMN images.checksum_sha256 IS 'hex: as declared until present, then as the storage says, if it does';
COMMENT ON COLUMN images.sequencer IS 'of the newest storage event that was taken in';
COMMENT ON COLUMN images.deleted_at IS 'when it went to the bin';
CREATE TABLE packed_blocks (
    first_id bigint NOT NULL,
    end_id bigint NOT NULL,
    image_ids bigint[] NOT NULL
);
COMMENT ON TABLE packed_blocks IS 'images from first_id up to and without end_id, ascending; blocks are without gaps, the first begins at 0';
CREATE TABLE packed_links (
    tag_id bigint NOT NULL,
    first_id bigint NOT NULL,
    places integer[] NOT NULL
)
WITH (toast_tuple_target='8160');
ALTER TABLE ONLY packed_links ALTER COLUMN places SET STORAGE EXTERNAL;
COMMENT ON TABLE packed_links IS 'the places, counted from 1 and ascending, in the block''s image_ids, of images with the tag';
CREATE TABLE packed_tags (
    tag_id bigint NOT NULL,
    packed_from bigint DEFAULT '9223372036854775807'::bigint NOT NULL
);
COMMENT ON COLUMN packed_tags.packed_from IS 'blocks from this one on hold the tag; 0: all do';
CREATE TABLE tag_count_changes (
    tag_id bigint NOT NULL,
    change bigint NOT NULL
);
COMMENT ON TABLE tag_count_changes IS 'what is yet to be added to tags.image_count: writers of one hot tag append here and do not wait';
CREATE TABLE tags (
    id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    folded text NOT NULL COLLATE pg_catalog."C",
    deleted_at timestamp with time zone,
    image_count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT name_characters CHECK ((name !~ '[|\x01-\x1f\x7f]'::text)),
    CONSTRAINT name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 160)))
);
COMMENT ON COLUMN tags.folded IS 'the name with case folded by Unicode''s rules: patterns are matched against it';
COMMENT ON COLUMN tags.deleted_at IS 'since when its links are being purged; the name is free';
COMMENT ON COLUMN tags.image_count IS 'links in image_tags, but for tag_count_changes';
ALTER TABLE tags ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME tags_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE untagged_images (
    image_id bigint NOT NULL
);
COMMENT ON TABLE untagged_images IS 'images that are not in the bin and have no link, not even to a tag being purged';
INSERT INTO alembic_version VALUES
	('0003');
INSERT INTO binned_image_tags VALUES
	(185086771200006, 1),
	(185794560000008, 2);
INSERT INTO changed_images VALUES
	(184732876800005),
	(186502348800010);
INSERT INTO image_tags VALUES
	(183671193600002, 1),
	(184025088000003, 1),
	(185440665600007, 1),
	(183671193600002, 2),
	(186502348800010, 3),
	(183671193600002, 5),
	(184378982400004, 1),
	(186502348800010, 1);
INSERT INTO images VALUES
	(183317299200001, DEFAULT, 'ann', 'pending', 'waiting.dcm', 'application/dicom', 4, '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'images/2025-06-02/file-1', NULL, NULL, NULL, NULL, NULL, '{}', '{}'),
	(183671193600002, DEFAULT, 'ann', 'present', 'chest 🫁 ''quoted''.dcm', 'application/dicom', 528000, '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'images/2025-06-03/file-2', '0055AED6DCD90281E5', NULL, '2025-06-03 10:00:00.123456+00', NULL, NULL, '{"": "empty key", "a|b": "%_", "list": [1, "1", {"deep": []}], "long": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "ward": "B2", "number": 1.5, "nothing": null, "näme 🫁": "Ü\"''\\ \t"}', '{"Odd": {"an": "object"}, "Rows": 512, "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY"], "StudyDate": "2024"}'),
	(184025088000003, DEFAULT, 'bob', 'present', 'knee.dcm', 'application/dicom', 9, NULL, 'images/2025-06-04/file-3', '0055AED6DCD90281E6', NULL, '2025-06-04 10:00:00+00', NULL, NULL, '{"ward": "B2"}', '{"Rows": [256, 256], "Modality": "MR", "StudyDate": "2023-05"}'),
	(184378982400004, DEFAULT, 'bob', 'missing', 'gone.dcm', 'application/dicom', 9, NULL, 'images/2025-06-05/file-4', '00', NULL, NULL, NULL, NULL, '{}', '{}'),
	(184732876800005, DEFAULT, 'ann', 'rejected', 'notes.txt', 'text/plain', 11, '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'images/2025-06-06/file-5', '01', NULL, '2025-06-06 10:00:00+00', NULL, 'its SHA-256 is another', '{}', '{}'),
	(185440665600007, DEFAULT, 'ann', 'pending', 'large.nii', 'application/octet-stream', 5497558138880, NULL, 'images/2025-06-08/file-7', NULL, 'upload-7', NULL, NULL, NULL, '{}', '{}'),
	(186148454400009, DEFAULT, 'bob', 'present', 'untagged.png', 'image/png', 77, '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'images/2025-06-10/file-9', '03', NULL, '2025-06-10 10:00:00+00', NULL, NULL, '{}', '{}'),
	(186502348800010, DEFAULT, 'ann', 'present', 'in parts.nii', 'application/octet-stream', 200000000, NULL, 'images/2025-06-11/file-10', '04', 'upload-10', '2025-06-11 10:00:00+00', NULL, NULL, '{}', '{}'),
	(185086771200006, DEFAULT, 'ann', 'present', 'binned.dcm', 'application/dicom', 12, '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'images/2025-06-07/file-6', '02', NULL, '2025-06-07 10:00:00+00', '2026-11-26 18:56:01.190734+00', NULL, '{"ward": "C1"}', '{"Odd": {"an": "object"}, "Rows": 512, "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY"], "StudyDate": "2024"}'),
	(185794560000008, DEFAULT, 'bob', 'pending', 'binned amid parts.nii', 'application/octet-stream', 200000000, NULL, 'images/2025-06-09/file-8', NULL, 'upload-8', NULL, '2026-11-26 18:56:01.190734+00', NULL, '{}', '{}');
INSERT INTO packed_blocks VALUES
	(0, 186502348800011, '{183317299200001,183671193600002,184025088000003,184378982400004,184732876800005,185440665600007,186148454400009,186502348800010}');
INSERT INTO packed_links VALUES
	(1, 0, '{2,3,4,5,6}');
INSERT INTO packed_tags VALUES
	(1, 0);
INSERT INTO tag_count_changes VALUES
	(2, 1),
	(3, 1),
	(5, 1),
	(2, 1),
	(1, -1),
	(2, -1),
	(1, -1),
	(1, 1);
INSERT INTO tags OVERRIDING SYSTEM VALUE VALUES
	(2, 'Chest', 'chest', NULL, 0),
	(3, '50% Übung_\', '50% übung_\', NULL, 0),
	(4, 'unused', 'unused', NULL, 0),
	(1, 'ct', 'ct', NULL, 6),
	(5, 'Old name', 'old name', '2026-11-27 18:55:01.190734+00', 0);
INSERT INTO untagged_images VALUES
	(183317299200001),
	(186148454400009),
	(184732876800005);
SELECT pg_catalog.setval('image_id_low_bits', 100, true);
SELECT pg_catalog.setval('tags_id_seq', 100, true);
ALTER TABLE ONLY alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY binned_image_tags
    ADD CONSTRAINT binned_image_tags_pkey PRIMARY KEY (image_id, tag_id);
ALTER TABLE ONLY image_tags
    ADD CONSTRAINT image_tags_pkey PRIMARY KEY (image_id, tag_id);
ALTER TABLE ONLY images
    ADD CONSTRAINT images_object_key_key UNIQUE (object_key);
ALTER TABLE ONLY images
    ADD CONSTRAINT images_pkey PRIMARY KEY (id);
ALTER TABLE ONLY packed_blocks
    ADD CONSTRAINT packed_blocks_pkey PRIMARY KEY (first_id);
ALTER TABLE ONLY packed_links
    ADD CONSTRAINT packed_links_pkey PRIMARY KEY (tag_id, first_id);
ALTER TABLE ONLY packed_tags
    ADD CONSTRAINT packed_tags_pkey PRIMARY KEY (tag_id);
ALTER TABLE ONLY tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (id);
ALTER TABLE ONLY untagged_images
    ADD CONSTRAINT untagged_images_pkey PRIMARY KEY (image_id);
CREATE INDEX binned_image_tags_by_tag ON binned_image_tags USING btree (tag_id);
CREATE INDEX changed_images_by_image ON changed_images USING btree (image_id);
CREATE INDEX image_tags_by_tag ON image_tags USING btree (tag_id, image_id);
CREATE INDEX images_attributes ON images USING gin (attributes jsonb_path_ops);
CREATE INDEX images_binned ON images USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX images_by_creator ON images USING btree (created_by, id) WHERE (deleted_at IS NULL);
CREATE INDEX images_listed ON images USING btree (id) WHERE (deleted_at IS NULL);
CREATE INDEX images_metadata ON images USING gin (metadata jsonb_path_ops);
CREATE INDEX images_present ON images USING btree (id) WHERE ((deleted_at IS NULL) AND (status = 'present'::text));
CREATE INDEX images_waiting ON images USING btree (id) WHERE (status = ANY (ARRAY['pending'::text, 'missing'::text]));
CREATE INDEX tag_count_changes_by_tag ON tag_count_changes USING btree (tag_id) INCLUDE (change);
CREATE INDEX tags_by_folded ON tags USING btree (folded);
CREATE UNIQUE INDEX tags_by_name ON tags USING btree (name) WHERE (deleted_at IS NULL);
CREATE INDEX tags_deleted ON tags USING btree (id) WHERE (deleted_at IS NOT NULL);
CREATE INDEX tags_folded_trigrams ON tags USING gin (folded gin_trgm_ops);
CREATE TRIGGER image_binned AFTER UPDATE OF deleted_at ON images FOR EACH ROW WHEN ((new.deleted_at IS NOT NULL)) EXECUTE FUNCTION image_binned();
CREATE TRIGGER image_listed AFTER INSERT ON images FOR EACH ROW WHEN ((new.deleted_at IS NULL)) EXECUTE FUNCTION image_listed();
CREATE TRIGGER image_restored AFTER UPDATE OF deleted_at ON images FOR EACH ROW WHEN (((new.deleted_at IS NULL) AND (old.deleted_at IS NOT NULL))) EXECUTE FUNCTION image_restored();
CREATE TRIGGER links_added AFTER INSERT ON image_tags REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION links_added();
CREATE TRIGGER links_changed_by_delete AFTER DELETE ON image_tags REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION links_changed_by_delete();
CREATE TRIGGER links_changed_by_insert AFTER INSERT ON image_tags REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION links_changed_by_insert();
CREATE TRIGGER links_removed AFTER DELETE ON image_tags REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION links_removed();
ALTER TABLE ONLY binned_image_tags
    ADD CONSTRAINT binned_image_tags_image_id_fkey FOREIGN KEY (image_id) REFERENCES images(id) ON DELETE CASCADE;
ALTER TABLE ONLY binned_image_tags
    ADD CONSTRAINT binned_image_tags_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES tags(id) ON DELETE CASCADE;
ALTER TABLE ONLY image_tags
    ADD CONSTRAINT image_tags_image_id_fkey FOREIGN KEY (image_id) REFERENCES images(id) ON DELETE CASCADE;
ALTER TABLE ONLY image_tags
    ADD CONSTRAINT image_tags_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES tags(id) ON DELETE CASCADE;
ALTER TABLE ONLY packed_links
    ADD CONSTRAINT packed_links_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES packed_tags(tag_id) ON DELETE CASCADE;
ALTER TABLE ONLY packed_tags
    ADD CONSTRAINT packed_tags_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES tags(id) ON DELETE CASCADE;
ALTER TABLE ONLY untagged_images
    ADD CONSTRAINT untagged_images_image_id_fkey FOREIGN KEY (image_id) REFERENCES images(id) ON DELETE CASCADE;
