/*
 * upload.c - writing a value in pieces (kv.h tells how it is used).
 *
 * A chunk is committed when it is full and more is to come: a value of exactly a chunk is still a small one,
 * and the last chunk goes with the put. The first chunk's version is the value's id.
 *
 * The thread that runs the request; chunk_apply() runs in the committer while that one waits.
 */
#include "config.h"

#include <assert.h>

#include "kv/private.h"

void kv_upload_init(struct kv_upload *upload, struct kv *kv, uint32_t project, size_t limit, bool may_block,
		    struct arena *arena)
{
	*upload = (struct kv_upload){
		.kv = kv,
		.project = project,
		.limit = limit < KV_VALUE_MAX ? limit : KV_VALUE_MAX,
		.arena = arena,
		.may_block = may_block,
	};
}

size_t kv_upload_size(const struct kv_upload *upload)
{
	return upload->stored + upload->n;
}

/* It may run twice, each time with a version of its own, so the first chunk changes what it holds. */
static enum rc chunk_apply(struct store_txn *txn, struct commit_op *op, void *arg)
{
	struct kv_upload *upload = arg;
	char key[CHUNK_KEY_SIZE];
	enum rc rc;

	(void)op;
	if (store_txn_is_full(txn))
		return RC_STORAGE_FULL;
	if (upload->stored == 0) {
		/* Held before there is a row that the collector could find. */
		hold_release(upload->kv, &upload->hold);
		hold_take(upload->kv, &upload->hold, upload->project, store_txn_version(txn));
		rc = garbage_add(txn, upload->project, upload->hold.id);
	} else {
		rc = garbage_check(txn, upload->project, upload->hold.id);
	}
	if (rc != RC_OK)
		return rc;
	return store_txn_put(txn, STORE_VALUES,
			     chunk_key(upload->project, upload->hold.id,
				       (uint32_t)(upload->stored / KV_CHUNK_SIZE), key),
			     str_make(upload->chunk, upload->n));
}

/* The chunk is full and more is to come. */
static enum rc chunk_store(struct kv_upload *upload)
{
	struct commit_op op;
	enum rc rc;

	if (!upload->may_block)
		return RC_SLOW;
	commit_op_init(&op, chunk_apply, upload, upload->n, STR_LIT(""));
	rc = commit_run(upload->kv->store, &op);
	if (rc != RC_OK)
		return rc;
	upload->stored += upload->n;
	upload->n = 0;
	return RC_OK;
}

/* Room for SIZE bytes, KV_CHUNK_SIZE at most: what all the growing has taken stays below two chunks. */
static enum rc chunk_grow(struct kv_upload *upload, size_t size)
{
	size_t room = 2 * upload->room;
	char *larger;

	if (size <= upload->room)
		return RC_OK;
	if (room < size)
		room = size;
	if (upload->room != 0 && room > KV_CHUNK_SIZE / 2)
		room = KV_CHUNK_SIZE;
	larger = arena_alloc(upload->arena, room);
	if (larger == NULL)
		return RC_NO_MEMORY;
	if (upload->n != 0)
		memcpy(larger, upload->chunk, upload->n);
	upload->chunk = larger;
	upload->room = room;
	return RC_OK;
}

/* As much of PIECE as the chunk takes; *N bytes. */
static enum rc chunk_fill(struct kv_upload *upload, struct str piece, size_t *n)
{
	size_t free_bytes = KV_CHUNK_SIZE - upload->n;
	enum rc rc;

	*n = piece.n < free_bytes ? piece.n : free_bytes;
	rc = chunk_grow(upload, upload->n + *n);
	if (rc != RC_OK)
		return rc;
	memcpy(upload->chunk + upload->n, piece.p, *n);
	upload->n += *n;
	return RC_OK;
}

enum rc kv_upload_add(struct kv_upload *upload, struct str piece)
{
	size_t n;

	if (upload->rc == RC_OK && piece.n > upload->limit - kv_upload_size(upload))
		upload->rc = RC_VALUE_TOO_LARGE;
	while (upload->rc == RC_OK && piece.n != 0) {
		if (upload->n == KV_CHUNK_SIZE)
			upload->rc = chunk_store(upload);
		if (upload->rc == RC_OK)
			upload->rc = chunk_fill(upload, piece, &n);
		if (upload->rc == RC_OK)
			piece = str_skip(piece, n);
	}
	return upload->rc;
}

void kv_upload_finish(const struct kv_upload *upload, struct kv_put *put)
{
	assert(upload->rc == RC_OK);
	put->value = str_make(upload->chunk, upload->n);
	put->upload_id = upload->stored == 0 ? 0 : upload->hold.id;
	put->upload_size = kv_upload_size(upload);
}

void kv_upload_clear(struct kv_upload *upload)
{
	hold_release(upload->kv, &upload->hold);
}
