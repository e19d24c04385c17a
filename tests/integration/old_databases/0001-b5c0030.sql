SET check_function_bodies = off;
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
CREATE TABLE alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE binned_image_tags (
    image_id bigint NOT NULL,
    tag_id bigint NOT NULL
);
COMMENT ON TABLE binned_image_tags IS 'where the links of an image wait while it is in the bin';
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
CREATE TABLE tags (
    id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    folded text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT name_characters CHECK ((name !~ '[|\x01-\x1f\x7f]'::text)),
    CONSTRAINT name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 160)))
);
COMMENT ON COLUMN tags.folded IS 'the name with case folded by Unicode''s rules: patterns are matched against it';
ALTER TABLE tags ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME tags_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
INSERT INTO alembic_version VALUES
	('0001');
INSERT INTO binned_image_tags VALUES
	(185086771200006, 1),
	(185794560000008, 2);
INSERT INTO image_tags VALUES
	(183671193600002, 1),
	(184025088000003, 1),
	(184732876800005, 1),
	(185440665600007, 1),
	(183671193600002, 2),
	(186502348800010, 3),
	(183671193600002, 5),
	(184378982400004, 1);
INSERT INTO images VALUES
	(183317299200001, DEFAULT, 'ann', 'pending', 'waiting.dcm', 'application/dicom', 4, '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'images/2025-06-02/file-1', NULL, NULL, NULL, NULL, NULL, '{}', '{}'),
	(183671193600002, DEFAULT, 'ann', 'present', 'chest 🫁 ''quoted''.dcm', 'application/dicom', 528000, '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'images/2025-06-03/file-2', '0055AED6DCD90281E5', NULL, '2025-06-03 10:00:00.123456+00', NULL, NULL, '{"": "empty key", "a|b": "%_", "list": [1, "1", {"deep": []}], "long": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "ward": "B2", "number": 1.5, "nothing": null, "näme 🫁": "Ü\"''\\ \t"}', '{"Odd": {"an": "object"}, "Rows": 512, "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY"], "StudyDate": "2024"}'),
	(184025088000003, DEFAULT, 'bob', 'present', 'knee.dcm', 'application/dicom', 9, NULL, 'images/2025-06-04/file-3', '0055AED6DCD90281E6', NULL, '2025-06-04 10:00:00+00', NULL, NULL, '{"ward": "B2"}', '{"Rows": [256, 256], "Modality": "MR", "StudyDate": "2023-05"}'),
	(184378982400004, DEFAULT, 'bob', 'missing', 'gone.dcm', 'application/dicom', 9, NULL, 'images/2025-06-05/file-4', '00', NULL, NULL, NULL, NULL, '{}', '{}'),
	(184732876800005, DEFAULT, 'ann', 'rejected', 'notes.txt', 'text/plain', 11, '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'images/2025-06-06/file-5', '01', NULL, '2025-06-06 10:00:00+00', NULL, 'its SHA-256 is another', '{}', '{}'),
	(185440665600007, DEFAULT, 'ann', 'pending', 'large.nii', 'application/octet-stream', 5497558138880, NULL, 'images/2025-06-08/file-7', NULL, 'upload-7', NULL, NULL, NULL, '{}', '{}'),
	(186148454400009, DEFAULT, 'bob', 'present', 'untagged.png', 'image/png', 77, '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'images/2025-06-10/file-9', '03', NULL, '2025-06-10 10:00:00+00', NULL, NULL, '{}', '{}'),
	(186502348800010, DEFAULT, 'ann', 'present', 'in parts.nii', 'application/octet-stream', 200000000, NULL, 'images/2025-06-11/file-10', '04', 'upload-10', '2025-06-11 10:00:00+00', NULL, NULL, '{}', '{}'),
	(185086771200006, DEFAULT, 'ann', 'present', 'binned.dcm', 'application/dicom', 12, '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'images/2025-06-07/file-6', '02', NULL, '2025-06-07 10:00:00+00', '2026-11-26 18:55:38.712539+00', NULL, '{"ward": "C1"}', '{"Odd": {"an": "object"}, "Rows": 512, "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY"], "StudyDate": "2024"}'),
	(185794560000008, DEFAULT, 'bob', 'pending', 'binned amid parts.nii', 'application/octet-stream', 200000000, NULL, 'images/2025-06-09/file-8', NULL, 'upload-8', NULL, '2026-11-26 18:55:38.712539+00', NULL, '{}', '{}');
INSERT INTO tags OVERRIDING SYSTEM VALUE VALUES
	(1, 'ct', 'ct'),
	(2, 'Chest', 'chest'),
	(3, '50% Übung_\', '50% übung_\'),
	(4, 'unused', 'unused'),
	(5, 'Old name', 'old name');
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
ALTER TABLE ONLY tags
    ADD CONSTRAINT tags_name_key UNIQUE (name);
ALTER TABLE ONLY tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (id);
CREATE INDEX binned_image_tags_by_tag ON binned_image_tags USING btree (tag_id);
CREATE INDEX image_tags_by_tag ON image_tags USING btree (tag_id, image_id);
CREATE INDEX images_binned ON images USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX images_waiting ON images USING btree (id) WHERE (status = ANY (ARRAY['pending'::text, 'missing'::text]));
CREATE INDEX tags_folded_trigrams ON tags USING gin (folded gin_trgm_ops);
ALTER TABLE ONLY binned_image_tags
    ADD CONSTRAINT binned_image_tags_image_id_fkey FOREIGN KEY (image_id) REFERENCES images(id) ON DELETE CASCADE;
ALTER TABLE ONLY binned_image_tags
    ADD CONSTRAINT binned_image_tags_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES tags(id) ON DELETE CASCADE;
ALTER TABLE ONLY image_tags
    ADD CONSTRAINT image_tags_image_id_fkey FOREIGN KEY (image_id) REFERENCES images(id) ON DELETE CASCADE;
ALTER TABLE ONLY image_tags
    ADD CONSTRAINT image_tags_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES tags(id) ON DELETE CASCADE;
