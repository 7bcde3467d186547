/*
 * reader.c - reading a value in pieces (kv.h tells how it is used).
 *
 * A large value lies in many rows that no single read can see at one moment. So the reader holds the value's
 * id before it trusts the record: from then on the collector leaves the chunks alone, even when the key
 * is overwritten, deleted or expires meanwhile.
 *
 * The thread that runs the request.
 */
#include "config.h"

#include "base/log.h"
#include "kv/private.h"

struct kv_reader {
	struct kv *kv;
	struct kv_hold hold;	/* on a large value */
	struct str value;	/* a small one, in full */
	char *chunk;		/* room for a piece of a large one */
	size_t size, at;
};

/* Whether the record of STORED still names the value ID. */
static enum rc record_names(struct kv *kv, struct str stored, int64_t now, uint64_t id)
{
	char buf[STORE_INLINE_MAX];
	struct entry entry;
	enum rc rc = record_get(kv, stored, now, buf, &entry);

	return rc == RC_OK && entry.value_id != id ? RC_KEY_NOT_FOUND : rc;
}

/* What ENTRY has outside, in memory or held. RC_KEY_NOT_FOUND: it was written anew, read the record again. */
static enum rc value_open(struct kv_reader *reader, uint32_t project, struct str stored, int64_t now,
			  struct entry *entry, struct arena *arena)
{
	enum rc rc = RC_OK;

	if (entry->flags & ENTRY_VALUE_CHUNKED) {
		hold_take(reader->kv, &reader->hold, project, entry->value_id);
		rc = record_names(reader->kv, stored, now, entry->value_id);
	}
	if (rc == RC_OK)
		rc = parts_get(reader->kv, project, ENTRY_VALUE_OUTSIDE | ENTRY_METADATA_OUTSIDE, entry, arena);
	if (rc != RC_OK)
		hold_release(reader->kv, &reader->hold);
	return rc;
}

static enum rc reader_open(struct kv_reader *reader, uint32_t project, struct str key, int64_t now,
			   struct entry *entry, struct arena *arena, uint64_t *wait_version)
{
	char bytes[KEY_STORED_MAX], *buf = arena_alloc(arena, STORE_INLINE_MAX);
	struct str stored = key_stored(project, key, bytes);
	enum rc rc;

	if (buf == NULL)
		return RC_NO_MEMORY;
	for (int i = 0; i < GET_TRIES; i++) {
		rc = record_get(reader->kv, stored, now, buf, entry);
		if (rc == RC_KEY_NOT_FOUND)
			*wait_version = store_in_flight(reader->kv->store);
		if (rc != RC_OK)
			return rc;
		rc = value_open(reader, project, stored, now, entry, arena);
		if (rc != RC_KEY_NOT_FOUND)
			return rc;
	}
	LOG_ERROR("a record's value is missing");
	return RC_INTERNAL;
}

/* A reader in ARENA; its room for pieces is the caller's to find. */
static enum rc reader_new(struct kv *kv, uint32_t project, struct str key, int64_t now, struct arena *arena,
			  struct kv_reader **out, struct kv_entry *shown, uint64_t *wait_version)
{
	struct kv_reader *reader = arena_zero(arena, sizeof *reader);
	struct entry entry;
	enum rc rc;

	if (reader == NULL)
		return RC_NO_MEMORY;
	reader->kv = kv;
	rc = reader_open(reader, project, key, now, &entry, arena, wait_version);
	if (rc != RC_OK)
		return rc;
	reader->value = entry.value;
	reader->size = entry.value_len;
	*wait_version = entry.version;
	entry_show(&entry, shown);
	*out = reader;
	return RC_OK;
}

enum rc kv_reader_open(struct kv *kv, uint32_t project, struct str key, int64_t now, struct arena *arena,
		       struct kv_reader **out, struct kv_entry *shown, uint64_t *wait_version)
{
	struct kv_reader *reader;
	enum rc rc = reader_new(kv, project, key, now, arena, &reader, shown, wait_version);

	if (rc != RC_OK)
		return rc;
	if (shown->is_large && (reader->chunk = arena_alloc(arena, KV_CHUNK_SIZE)) == NULL) {
		kv_reader_close(reader);
		return RC_NO_MEMORY;
	}
	shown->value = STR_LIT("");
	*out = reader;
	return RC_OK;
}

static enum rc chunk_read(struct kv_reader *reader, struct str *piece)
{
	char bytes[CHUNK_KEY_SIZE];
	struct str key = chunk_key(reader->hold.project, reader->hold.id,
				   (uint32_t)(reader->at / KV_CHUNK_SIZE), bytes);
	size_t rest = reader->size - reader->at, size = rest < KV_CHUNK_SIZE ? rest : KV_CHUNK_SIZE, n;
	enum rc rc = store_get(reader->kv->store, STORE_VALUES, key, reader->chunk, size, &n);

	if (rc != RC_OK && rc != RC_KEY_NOT_FOUND && rc != RC_VALUE_TOO_LARGE)
		return rc;
	/* Only the reaper of deleted projects takes chunks from a reader. */
	if (rc != RC_OK || n != size) {
		LOG_ERROR("a part of a value is missing");
		return RC_INTERNAL;
	}
	*piece = str_make(reader->chunk, n);
	return RC_OK;
}

enum rc kv_reader_next(struct kv_reader *reader, struct str *piece)
{
	enum rc rc = RC_OK;

	if (reader->at == reader->size)
		*piece = STR_LIT("");
	else if (reader->hold.id == 0)
		*piece = reader->value;
	else
		rc = chunk_read(reader, piece);
	if (rc == RC_OK)
		reader->at += piece->n;
	return rc;
}

bool kv_reader_stream(void *arg, struct str *piece)
{
	return kv_reader_next(arg, piece) == RC_OK;
}

/* All of a large value behind each other. */
static enum rc read_whole(struct kv_reader *reader, struct arena *arena, struct str *value)
{
	char *p = arena_alloc(arena, reader->size);
	struct str piece;
	enum rc rc = RC_OK;

	if (p == NULL)
		return RC_NO_MEMORY;
	/* Each chunk is read where it stays: all but the last have KV_CHUNK_SIZE bytes. */
	while (rc == RC_OK && reader->at < reader->size) {
		reader->chunk = p + reader->at;
		rc = kv_reader_next(reader, &piece);
	}
	*value = str_make(p, reader->size);
	return rc;
}

enum rc kv_get_whole(struct kv *kv, uint32_t project, struct str key, size_t max, int64_t now,
		     struct arena *arena, struct kv_entry *out, uint64_t *wait_version)
{
	struct kv_reader *reader;
	struct kv_entry entry;
	enum rc rc = reader_new(kv, project, key, now, arena, &reader, &entry, wait_version);

	if (rc != RC_OK)
		return rc;
	if (entry.size > max)
		rc = RC_VALUE_TOO_LARGE;
	else if (entry.is_large)
		rc = read_whole(reader, arena, &entry.value);
	if (rc == RC_OK)
		*out = entry;
	kv_reader_close(reader);
	return rc;
}

void kv_reader_rewind(struct kv_reader *reader)
{
	reader->at = 0;
}

void kv_reader_close(struct kv_reader *reader)
{
	if (reader != NULL)
		hold_release(reader->kv, &reader->hold);
}
