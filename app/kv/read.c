/*
 * read.c - get and list. Any thread; nothing here takes a transaction.
 */
#include "config.h"

#include "base/log.h"
#include "kv/private.h"

/* ---- one part of an entry that lies in STORE_VALUES ---- */

static enum rc part_get(struct kv *kv, uint32_t project, uint64_t id, enum value_part part,
			size_t length, struct arena *arena, struct str *out)
{
	char bytes[VALUE_KEY_SIZE];
	struct str key = value_key(project, id, part, bytes);
	char *buf = arena_alloc(arena, length);
	size_t n;
	enum rc rc;

	if (buf == NULL)
		return RC_NO_MEMORY;
	rc = store_get(kv->store, STORE_VALUES, key, buf, length, &n);
	if (rc == RC_OK && n != length)
		rc = RC_STORE;
	if (rc == RC_OK)
		*out = str_make(buf, length);
	return rc;
}

enum rc parts_get(struct kv *kv, uint32_t project, unsigned parts, struct entry *entry, struct arena *arena)
{
	enum rc rc = RC_OK;

	parts &= entry->flags;
	if (parts & ENTRY_VALUE_OUTSIDE)
		rc = part_get(kv, project, entry->value_id, PART_VALUE, entry->value_len, arena, &entry->value);
	if (rc == RC_OK && parts & ENTRY_METADATA_OUTSIDE)
		rc = part_get(kv, project, entry->value_id, PART_METADATA, entry->metadata_len, arena,
			      &entry->metadata);
	return rc;
}

void entry_show(const struct entry *entry, struct kv_entry *out)
{
	*out = (struct kv_entry){
		.value = entry->value,
		.size = entry->value_len,
		.is_large = (entry->flags & ENTRY_VALUE_CHUNKED) != 0,
		.kind = (enum kind)entry->kind,
		.metadata = entry->metadata,
		.version = entry->version,
		.writes = entry->writes,
		.owner = entry->owner,
		.expires_at = entry->expires_at,
	};
}

enum rc record_get(struct kv *kv, struct str stored, int64_t now, char buf[STORE_INLINE_MAX],
		   struct entry *entry)
{
	size_t n;
	enum rc rc = store_get(kv->store, STORE_KEYS, stored, buf, STORE_INLINE_MAX, &n);

	if (rc != RC_OK)
		return rc;
	if (!entry_read(str_make(buf, n), entry)) {
		LOG_ERROR("a record cannot be read");
		return RC_INTERNAL;
	}
	return entry_is_expired(entry, now) ? RC_KEY_NOT_FOUND : RC_OK;
}

/* Record and PARTS of it. */
static enum rc get(struct kv *kv, uint32_t project, struct str key, unsigned parts, int64_t now,
		   struct arena *arena, struct kv_entry *out, uint64_t *wait_version)
{
	char bytes[KEY_STORED_MAX], *buf = arena_alloc(arena, STORE_INLINE_MAX);
	struct str stored = key_stored(project, key, bytes);
	struct entry entry;
	enum rc rc;

	if (buf == NULL)
		return RC_NO_MEMORY;
	for (int i = 0; i < GET_TRIES; i++) {
		rc = record_get(kv, stored, now, buf, &entry);
		if (rc == RC_KEY_NOT_FOUND)
			*wait_version = store_in_flight(kv->store);
		if (rc != RC_OK)
			return rc;
		rc = parts_get(kv, project, parts, &entry, arena);
		if (rc == RC_OK) {
			*wait_version = entry.version;
			entry_show(&entry, out);
		}
		if (rc != RC_KEY_NOT_FOUND)
			return rc;
	}
	LOG_ERROR("a record's value is missing");
	return RC_INTERNAL;
}

enum rc kv_get(struct kv *kv, uint32_t project, struct str key, int64_t now,
	       struct arena *arena, struct kv_entry *out, uint64_t *wait_version)
{
	return get(kv, project, key, ENTRY_VALUE_OUTSIDE | ENTRY_METADATA_OUTSIDE, now, arena, out, wait_version);
}

enum rc kv_get_head(struct kv *kv, uint32_t project, struct str key, int64_t now,
		    struct arena *arena, struct kv_entry *out, uint64_t *wait_version)
{
	enum rc rc = get(kv, project, key, ENTRY_METADATA_OUTSIDE, now, arena, out, wait_version);

	if (rc == RC_OK)
		out->value = STR_LIT("");
	return rc;
}

/* ---- list ---- */

/* Where the walk begins: at the prefix, or behind the last name when that is further on. */
static struct str walk_start(const struct kv_list *list, char out[KEY_STORED_MAX + 1])
{
	struct str from;

	if (list->after.n == 0 || str_cmp(list->after, list->prefix) < 0)
		return key_stored(list->project, list->prefix, out);
	/* The smallest key behind AFTER is AFTER and a NUL. */
	from = key_stored(list->project, list->after, out);
	out[from.n] = '\0';
	return str_make(out, from.n + 1);
}

static bool is_in_walk(const struct kv_list *list, struct str stored)
{
	return stored.n >= KEY_PROJECT_SIZE && store_get_u32(stored.p) == list->project &&
	       str_starts(str_skip(stored, KEY_PROJECT_SIZE), list->prefix);
}

static enum rc name_add(struct kv *kv, struct kv_list *list, struct str name, struct entry *entry,
			struct arena *arena)
{
	struct kv_name *to = &list->names[list->n_names];
	char *copy;
	enum rc rc;

	if (entry->flags & ENTRY_METADATA_OUTSIDE) {
		rc = part_get(kv, list->project, entry->value_id, PART_METADATA, entry->metadata_len,
			      arena, &entry->metadata);
		/* Overwritten meanwhile: the name stands, what it carried is gone. */
		if (rc == RC_KEY_NOT_FOUND)
			entry->metadata = str_make(NULL, 0);
		else if (rc != RC_OK)
			return rc;
	}
	copy = arena_alloc(arena, name.n + entry->metadata.n);
	if (copy == NULL)
		return RC_NO_MEMORY;
	memcpy(copy, name.p, name.n);
	if (entry->metadata.n != 0)
		memcpy(copy + name.n, entry->metadata.p, entry->metadata.n);
	*to = (struct kv_name){
		.name = str_make(copy, name.n),
		.metadata = str_make(copy + name.n, entry->metadata.n),
		.expires_at = entry->expires_at,
	};
	list->n_names++;
	return RC_OK;
}

/*
 * Walk until the page is full and one more name is known to follow, the range ends, or ROWS rows
 * have been looked at. RC_KEY_NOT_FOUND: the range ended.
 */
static enum rc walk(struct kv *kv, struct kv_list *list, struct store_scan *scan, struct arena *arena)
{
	struct str stored, raw;
	struct entry entry;
	enum rc rc;

	for (size_t rows = 0; rows < list->rows; rows++) {
		if ((rc = store_scan_next(scan, &stored, &raw)) != RC_OK)
			return rc;
		if (!is_in_walk(list, stored))
			return RC_KEY_NOT_FOUND;
		if (!entry_read(raw, &entry))
			return RC_INTERNAL;
		if (!entry_is_expired(&entry, list->now)) {
			if (list->n_names == list->limit)
				return RC_OK;
			rc = name_add(kv, list, str_skip(stored, KEY_PROJECT_SIZE), &entry, arena);
			if (rc != RC_OK)
				return rc;
			list->last = list->names[list->n_names - 1].name;
		} else if (list->n_names < list->limit) {
			/* Dead rows are passed for good; behind a full page nothing is. */
			list->last = arena_dup(arena, str_skip(stored, KEY_PROJECT_SIZE));
			if (list->last.p == NULL)
				return RC_NO_MEMORY;
		}
	}
	list->out_of_rows = true;
	return RC_OK;
}

enum rc kv_list(struct kv *kv, struct kv_list *list, struct arena *arena)
{
	char from[KEY_STORED_MAX + 1];
	void *chunk = arena_alloc(arena, STORE_SCAN_CHUNK);
	struct store_scan scan;
	enum rc rc;

	list->names = arena_alloc(arena, list->limit * sizeof *list->names);
	list->n_names = 0;
	list->last = STR_LIT("");
	list->out_of_rows = list->complete = false;
	if (chunk == NULL || list->names == NULL)
		return RC_NO_MEMORY;
	store_scan_init(&scan, kv->store, STORE_KEYS, walk_start(list, from), chunk);
	scan.wanted = list->limit + 1;
	rc = walk(kv, list, &scan, arena);
	list->wait_version = store_in_flight(kv->store);
	if (rc != RC_KEY_NOT_FOUND)
		return rc;
	list->complete = true;
	return RC_OK;
}
