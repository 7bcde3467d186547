/*
 * load.c - see load.h.
 *
 * The file is a stream (items.h); a batch is what goes out in one request. The server checks all items of a
 * request before it writes any, so a mistake leaves the batches before it, whole, and its place in the file
 * is told. Memory: one batch and one item, whatever the size of the file.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jdoc.h"
#include "base/jtext.h"
#include "ctl/items.h"
#include "ctl/load.h"
#include "ctl/progress.h"
#include "ctl/remote.h"
#include "ctl/stop.h"

enum {
	BATCH_ITEMS = 1000,
	BATCH_BYTES = 8 << 20,
	ITEM_MAX = 96 << 20,		/* the server takes 100 MiB in a request */
	ITEM_DEPTH = 512,
	BATCH_ARENA = 512 << 20,
	REFUSED_TRIES = 120		/* seconds in which a key is over its write limit, at most */
};

/* An item of the batch. */
struct entry {
	struct str text;		/* as the file has it */
	struct str key;
	int64_t expires_at;		/* 0 = never, or by a time to live */
	struct items_place place;
	bool done;			/* written, or left out */
};

struct load {
	struct ctl *ctl;
	const struct load_how *how;
	struct remote remote;
	struct items *items;
	const char *name;		/* of the file, for people */
	uint64_t size;			/* of the file; 0: nobody knows */
	struct progress progress;

	struct arena *arena;		/* of the batch */
	struct entry entries[BATCH_ITEMS];
	size_t n, bytes;

	uint64_t last;			/* the number of the batch's last item, or of one that was left out */
	uint64_t safe;			/* so many items of the file need not be sent again */
	uint64_t n_done, n_expired;
};

/* --- what is wrong with the file --- */

/* Something about the item at PLACE. */
static enum ctl_exit item_fail(struct load *load, struct items_place place, const char *why)
{
	return ctl_fail(load->ctl, CTL_USAGE, "bad_item", "%s, line %" PRIu64 ", item %" PRIu64 ": %s", load->name,
			place.line, place.number, why);
}

static enum ctl_exit items_fail(struct load *load, enum items_step step)
{
	if (step == ITEMS_IO)
		return ctl_fail(load->ctl, CTL_IO, "io", "%s cannot be read: %s", load->name, strerror(errno));
	return ctl_fail(load->ctl, CTL_USAGE, "bad_file", "%s, line %" PRIu64 ", behind item %" PRIu64 ": %s", load->name,
			items_place(load->items).line, items_place(load->items).number, items_fault(load->items));
}

/* --- one item --- */

/* What of DOC is needed here; NULL, or what is wrong with it. The server looks at the rest. */
static const char *read_put(json_object *doc, struct entry *entry)
{
	struct str value;

	if (!json_object_is_type(doc, json_type_object))
		return "an object with \"key\" and \"value\" belongs here";
	if (!jdoc_str(doc, "key", &entry->key))
		return "\"key\" must be a string";
	if (!jdoc_str(doc, "value", &value))
		return "\"value\" must be a string";
	if (jdoc_i64(doc, "expiration", &entry->expires_at) && jdoc_has(doc, "expiration_ttl"))
		entry->expires_at = 0;
	return NULL;
}

/* A name, or as a list has it {"name":...}. */
static const char *read_delete(json_object *doc, struct entry *entry)
{
	if (json_object_is_type(doc, json_type_string))
		entry->key = str_make(json_object_get_string(doc), (size_t)json_object_get_string_len(doc));
	else if (!jdoc_str(doc, "name", &entry->key))
		return "a name, or an object with \"name\", belongs here";
	return NULL;
}

static struct str copy(struct load *load, struct str s)
{
	s = arena_dup(load->arena, s);
	if (s.p == NULL)
		ctl_no_memory();
	return s;
}

static bool has_expired(const struct load *load, const struct entry *entry, int64_t now)
{
	return load->how->drops_expired && entry->expires_at != 0 && entry->expires_at <= now;
}

/* TEXT as the next item of the batch. */
static enum ctl_exit add_item(struct load *load, struct str text)
{
	struct entry *entry = &load->entries[load->n];
	json_object *doc = jdoc_read(text, ITEM_DEPTH);
	const char *fault;

	*entry = (struct entry){ .place = items_place(load->items) };
	if (doc == NULL)
		fault = "this is not JSON, or has a member twice";
	else
		fault = load->how->deletes ? read_delete(doc, entry) : read_put(doc, entry);
	if (fault == NULL) {
		entry->key = copy(load, entry->key);
		entry->text = load->how->deletes ? STR_LIT("") : copy(load, text);
	}
	json_object_put(doc);
	if (fault != NULL)
		return item_fail(load, entry->place, fault);
	load->last = entry->place.number;
	if (has_expired(load, entry, clock_wall_s())) {
		load->n_expired++;
		return CTL_OK;
	}
	load->bytes += entry->text.n + entry->key.n;
	load->n++;
	return CTL_OK;
}

/* --- one batch --- */

/* What of the batch is not done yet, as an array. */
static struct str batch_text(struct load *load)
{
	struct buf buf;
	bool first = true;

	buf_init(&buf, load->remote.arena, SIZE_MAX);
	buf_add_char(&buf, '[');
	for (size_t i = 0; i < load->n; i++) {
		const struct entry *entry = &load->entries[i];

		if (entry->done)
			continue;
		if (!first)
			buf_add_char(&buf, ',');
		first = false;
		if (load->how->deletes)
			jtext_quote(&buf, entry->key);
		else
			buf_add(&buf, entry->text);
	}
	buf_add_char(&buf, ']');
	if (!buf_ok(&buf))
		ctl_no_memory();
	return buf_str(&buf);
}

static size_t n_left(const struct load *load)
{
	size_t n = 0;

	for (size_t i = 0; i < load->n; i++)
		n += !load->entries[i].done;
	return n;
}

/* Whether KEY is among the names; one of them is taken away then. */
static bool take_name(json_object *names, struct str key)
{
	for (size_t i = 0; i < json_object_array_length(names); i++) {
		json_object *name = json_object_array_get_idx(names, i);

		if (!str_eq(key, str_make(json_object_get_string(name), (size_t)json_object_get_string_len(name))))
			continue;
		json_object_array_del_idx(names, i, 1);
		return true;
	}
	return false;
}

/*
 * What the answer does not name as refused is done. A key that stands in the batch several times is named once for
 * each time it was refused: so many of its last items are left, for the very last is to stay.
 */
static enum ctl_exit take_answer(struct load *load, const struct fcgi_answer *answer)
{
	json_object *doc = jdoc_read(answer->body, ITEM_DEPTH), *result, *refused;

	if (!jdoc_object(doc, "result", &result) || !jdoc_array(result, "unsuccessful_keys", &refused)) {
		json_object_put(doc);
		return ctl_fail(load->ctl, CTL_INTERNAL, "internal", "the answer does not say what was written");
	}
	for (size_t i = load->n; i-- > 0;) {
		struct entry *entry = &load->entries[i];

		if (entry->done || take_name(refused, entry->key))
			continue;
		entry->done = true;
		load->n_done++;
	}
	json_object_put(doc);
	return CTL_OK;
}

/* Items that have expired since they were read. Whether there were any. */
static bool drop_expired(struct load *load)
{
	/* What the server cannot take any more it refuses at this very second. */
	int64_t now = clock_wall_s() + 1;
	bool any = false;

	for (size_t i = 0; i < load->n; i++) {
		struct entry *entry = &load->entries[i];

		if (entry->done || !has_expired(load, entry, now))
			continue;
		entry->done = any = true;
		load->n_expired++;
	}
	return any;
}

/*
 * The item, of those that were sent, that the server's "item N: why" is about; *WHY is then the rest of the
 * sentence. NULL when it is about none of them.
 */
static const struct entry *accused(const struct load *load, struct str *why)
{
	const char *at = memmem(why->p, why->n, "item ", 5);
	struct str digits, rest;
	uint64_t index;
	size_t n = 0;

	if (at == NULL)
		return NULL;
	str_cut(str_skip(*why, (size_t)(at + 5 - why->p)), ':', &digits, &rest);
	if (rest.n == 0 || !str_to_u64(digits, 0, BATCH_ITEMS - 1, &index))
		return NULL;
	for (size_t i = 0; i < load->n; i++)
		if (!load->entries[i].done && n++ == index) {
			*why = str_skip(rest, 1);
			return &load->entries[i];
		}
	return NULL;
}

static enum ctl_exit batch_refused(struct load *load, const struct fcgi_answer *answer)
{
	struct remote_refusal why = remote_why(&load->remote, answer);
	const struct entry *entry = accused(load, &why.message);

	if (entry == NULL)
		return ctl_fail(load->ctl, why.exit, why.code, "%.*s", STR(why.message));
	return ctl_fail(load->ctl, why.exit, why.code, "%s, line %" PRIu64 ", item %" PRIu64 ": %.*s", load->name,
			entry->place.line, entry->place.number, STR(why.message));
}

/* Send what is left of the batch once. *AGAIN: something is left, and may go through in a second. */
static enum ctl_exit batch_try(struct load *load, bool *again)
{
	struct fcgi_request request;
	struct fcgi_answer answer;
	struct buf uri;
	enum ctl_exit exit;

	*again = false;
	arena_reset(load->remote.arena);
	remote_uri(&load->remote, &uri, load->how->deletes ? "bulk/delete" : "bulk");
	request = remote_request(&load->remote, load->how->deletes ? "POST" : "PUT", &uri);
	request.content_type = STR_LIT("application/json");
	request.body = batch_text(load);
	if ((exit = remote_ask(&load->remote, &request, &answer)) != CTL_OK)
		return exit;
	if (answer.status == 400 && drop_expired(load))
		return batch_try(load, again);
	if (answer.status == 429) {
		*again = true;
		return CTL_OK;
	}
	if (answer.status != 200)
		return batch_refused(load, &answer);
	exit = take_answer(load, &answer);
	*again = n_left(load) != 0;
	return exit;
}

/* A key takes only so many writes a second: those that were too many are sent again. */
static enum ctl_exit batch_send(struct load *load)
{
	const struct timespec second = { .tv_sec = 1 };
	enum ctl_exit exit = CTL_OK;
	bool again = n_left(load) != 0;

	for (int tries = 0; exit == CTL_OK && again; tries++) {
		if (tries == REFUSED_TRIES)
			return ctl_fail(load->ctl, CTL_TEMPORARY, "write_limit", "a key has been over its write limit for too long");
		if (tries != 0)
			nanosleep(&second, NULL);
		exit = batch_try(load, &again);
	}
	if (exit != CTL_OK)
		return exit;
	load->safe = load->last;
	load->n = load->bytes = 0;
	arena_reset(load->arena);
	progress_step(&load->progress, load->n_done, 0, items_bytes(load->items), items_bytes(load->items), load->size);
	return CTL_OK;
}

/* --- the whole file --- */

static enum ctl_exit send_all(struct load *load, uint64_t skip)
{
	enum items_step step = ITEMS_ONE;
	enum ctl_exit exit = CTL_OK;
	struct str text;

	while (exit == CTL_OK && !stop_wanted() && (step = items_next(load->items, &text)) == ITEMS_ONE) {
		if (items_place(load->items).number <= skip)
			continue;
		/* What is larger than a batch is one of its own. */
		if (load->n == BATCH_ITEMS || (load->n != 0 && load->bytes + text.n > BATCH_BYTES))
			exit = batch_send(load);
		if (exit == CTL_OK)
			exit = add_item(load, text);
	}
	if (exit != CTL_OK)
		return exit;
	if (step != ITEMS_ONE && step != ITEMS_END && !stop_wanted())
		return items_fail(load, step);
	/* Ctrl-C: what was read is sent, so that the count is one to go on from. */
	return batch_send(load);
}

static void say_done(struct load *load)
{
	json_object *doc;

	if (load->ctl->json) {
		doc = ctl_object();
		ctl_add_i64(doc, load->how->done, (int64_t)load->n_done);
		if (load->how->drops_expired)
			ctl_add_i64(doc, "expired", (int64_t)load->n_expired);
		ctl_add_i64(doc, "items", (int64_t)load->safe);
		ctl_print_json(load->ctl, doc);
		json_object_put(doc);
		return;
	}
	printf("%" PRIu64 " %s of project %.*s %s", load->n_done, load->n_done == 1 ? "key" : "keys",
	       STR(load->remote.project), load->how->done);
	if (load->n_expired != 0)
		printf("; %" PRIu64 " had expired already and were left out", load->n_expired);
	printf(".\n");
}

static enum ctl_exit finish(struct load *load, enum ctl_exit exit)
{
	progress_end(&load->progress);
	if (exit == CTL_OK && !stop_wanted()) {
		say_done(load);
		return CTL_OK;
	}
	if (exit == CTL_OK)
		exit = ctl_fail(load->ctl, CTL_INTERRUPTED, "interrupted", "stopped; keys %s: %" PRIu64, load->how->done,
				load->n_done);
	ctl_warn("to go on, say the same again with --skip %" PRIu64, load->safe);
	return exit;
}

static enum ctl_exit open_file(struct load *load, const char *file, int *fd)
{
	struct stat st;

	load->name = strcmp(file, "-") == 0 ? "standard input" : file;
	*fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	if (*fd < 0)
		return ctl_fail(load->ctl, errno == EACCES ? CTL_PERMISSION : CTL_USAGE, "file", "%s cannot be read: %s", file,
				strerror(errno));
	if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
		load->size = (uint64_t)st.st_size;
	return CTL_OK;
}

enum ctl_exit load_run(struct ctl *ctl, const char *any, const char *file, uint64_t skip, const struct load_how *how)
{
	struct load *load = arena_zero(ctl->arena, sizeof *load);
	enum ctl_exit exit;
	int fd = -1;

	if (load == NULL || (load->arena = arena_new(BATCH_ARENA)) == NULL)
		ctl_no_memory();
	load->ctl = ctl;
	load->how = how;
	load->safe = load->last = skip;
	if ((exit = open_file(load, file, &fd)) != CTL_OK)
		goto out;
	if ((exit = remote_open(&load->remote, ctl, any)) == CTL_OK) {
		stop_catch(true);
		load->items = items_new(fd, ITEM_MAX);
		progress_begin(&load->progress, ctl);
		exit = finish(load, send_all(load, skip));
		items_free(load->items);
	}
	remote_close(&load->remote);
	if (fd != STDIN_FILENO)
		close(fd);
out:
	arena_free(load->arena);
	return exit;
}
