/*
 * read.c - get and list. Any thread; nothing here takes a transaction.
 */
#include "config.h"

#include <assert.h>

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

/* A page under way. */
struct paging {
	struct kv *kv;
	struct kv_list *list;
	struct arena *arena;
	struct store_scan scan;
	size_t rows;			/* looked at */
	char *last;			/* KV_KEY_MAX bytes for the list's LAST */
};

/* Whether all of RANGE lies before or at the last name that was looked at. */
static bool is_passed(const struct kv_list *list, const struct kv_range *range)
{
	if (list->after.n == 0 || str_cmp(list->after, range->text) < 0)
		return false;
	return range->is_key || !str_starts(list->after, range->text);
}

/* Where the walk begins: at the range's start, or behind the last name when that is further on. */
static struct str walk_start(const struct kv_list *list, const struct kv_range *range, char out[KEY_STORED_MAX + 1])
{
	struct str from;

	if (list->after.n == 0 || str_cmp(list->after, range->text) < 0)
		return key_stored(list->project, range->text, out);
	/* The smallest key behind AFTER is AFTER and a NUL. */
	from = key_stored(list->project, list->after, out);
	out[from.n] = '\0';
	return str_make(out, from.n + 1);
}

static inline bool is_shown(const struct kv_list *list, const struct kv_range *range, struct str name,
			    const struct entry *entry)
{
	return !entry_is_expired(entry, list->now) && (!range->is_partly || list->shows(list->arg, name));
}

/* Metadata that lies outside. */
static enum rc metadata_get(struct paging *paging, uint64_t id, size_t length, struct str *out)
{
	enum rc rc = part_get(paging->kv, paging->list->project, id, PART_METADATA, length, paging->arena, out);

	/* Overwritten meanwhile: the name stands, what it carried is gone. */
	return rc == RC_KEY_NOT_FOUND ? RC_OK : rc;
}

static inline enum rc name_take(struct paging *paging, struct str name, const struct entry *entry)
{
	struct kv_list *list = paging->list;
	struct kv_name shown = { .name = name, .metadata = entry->metadata, .expires_at = entry->expires_at };
	enum rc rc = RC_OK;

	if (entry->flags & ENTRY_METADATA_OUTSIDE)
		rc = metadata_get(paging, entry->value_id, entry->metadata_len, &shown.metadata);
	if (rc != RC_OK)
		return rc;
	list->take(list->to, &shown);
	list->n_names++;
	return RC_OK;
}

/* The next page begins behind NAME, which is gone with the rows around it. */
static void goes_on_behind(struct paging *paging, struct str name)
{
	assert(name.n != 0);
	memcpy(paging->last, name.p, name.n);
	paging->list->last = str_make(paging->last, name.n);
}

/*
 * Walk until the page is full and one more name is known to follow, the range ends, or as many rows as the list may
 * look at have been. Rows that are not shown are passed for good; behind a full page nothing is.
 * RC_KEY_NOT_FOUND: the range ended.
 */
static enum rc walk(struct paging *paging, const struct kv_range *range)
{
	struct kv_list *list = paging->list;
	struct str stored, raw, name = STR_LIT("");
	struct entry entry;
	enum rc rc;

	for (; paging->rows < list->rows; paging->rows++) {
		if ((rc = store_scan_next(&paging->scan, &stored, &raw)) != RC_OK)
			return rc;
		if (range->is_key && stored.n != paging->scan.prefix.n)
			return RC_KEY_NOT_FOUND;
		if (!entry_read(raw, &entry))
			return RC_INTERNAL;
		name = str_skip(stored, KEY_PROJECT_SIZE);
		if (!is_shown(list, range, name, &entry))
			continue;
		if (list->n_names == list->limit)
			return RC_OK;
		if ((rc = name_take(paging, name, &entry)) != RC_OK)
			return rc;
		if (list->n_names == list->limit)
			goes_on_behind(paging, name);
	}
	if (list->n_names < list->limit)
		goes_on_behind(paging, name);
	list->out_of_rows = true;
	return RC_OK;
}

/* As many as make the page full and tell whether it ends there; fewer when it may look at fewer. */
static size_t rows_wanted(const struct paging *paging)
{
	size_t names = paging->list->limit + 1 - paging->list->n_names, rows = paging->list->rows - paging->rows;

	return names < rows ? names : rows;
}

/* All ranges, in their order. RC_KEY_NOT_FOUND: the last one ended. */
static enum rc walk_all(struct paging *paging, void *chunk)
{
	struct kv_list *list = paging->list;
	const struct kv_range whole = { .text = list->prefix }, *ranges = list->ranges == NULL ? &whole : list->ranges;
	size_t n = list->ranges == NULL ? 1 : list->n_ranges;
	char prefix[KEY_STORED_MAX], from[KEY_STORED_MAX + 1];
	enum rc rc = RC_KEY_NOT_FOUND;

	for (size_t i = 0; i < n && rc == RC_KEY_NOT_FOUND; i++) {
		if (is_passed(list, &ranges[i]))
			continue;
		store_scan_init(&paging->scan, paging->kv->store, STORE_KEYS, walk_start(list, &ranges[i], from), chunk);
		paging->scan.prefix = key_stored(list->project, ranges[i].text, prefix);
		paging->scan.wanted = rows_wanted(paging);
		rc = walk(paging, &ranges[i]);
	}
	return rc;
}

enum rc kv_list(struct kv *kv, struct kv_list *list, struct arena *arena)
{
	struct paging paging = { .kv = kv, .list = list, .arena = arena, .last = arena_alloc(arena, KV_KEY_MAX) };
	void *chunk = arena_alloc(arena, STORE_SCAN_CHUNK);
	enum rc rc;

	list->n_names = 0;
	list->last = STR_LIT("");
	list->out_of_rows = list->complete = false;
	if (chunk == NULL || paging.last == NULL)
		return RC_NO_MEMORY;
	rc = walk_all(&paging, chunk);
	list->wait_version = store_in_flight(kv->store);
	if (rc != RC_KEY_NOT_FOUND)
		return rc;
	list->complete = true;
	return RC_OK;
}
