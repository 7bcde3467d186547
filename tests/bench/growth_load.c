/*
 * growth_load.c - for tests/bench/growth: many keys into a data directory that no server has open.
 *
 *     growth_load DATA_DIR FIRST_PROJECT PROJECTS FIRST KEYS VALUE_BYTES
 *
 * Keys FIRST up to FIRST + KEYS, named as growth.lua asks for them, into each of PROJECTS projects from number
 * FIRST_PROJECT on. They go through the committer, in slices, as those of a bulk call do, so what is there
 * afterwards is what a server would have written; only HTTP and JSON are left out.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "kv/kv.h"

enum { SLICES = 128, NAME_MAX_BYTES = 32 };

/* What goes into one transaction. */
struct batch {
	struct commit_op ops[SLICES];
	struct kv_slice slices[SLICES];
	struct kv_put puts[SLICES][KV_SLICE_ITEMS];
	char names[SLICES][KV_SLICE_ITEMS][NAME_MAX_BYTES];
	size_t n;			/* puts */
};

static void die(const char *why)
{
	fprintf(stderr, "growth_load: %s\n", why);
	exit(1);
}

static uint64_t number(const char *text)
{
	uint64_t n;

	if (!str_to_u64(str_c(text), 0, INT64_MAX, &n))
		die("a number is wanted");
	return n;
}

static void batch_write(struct store *store, struct batch *batch)
{
	size_t n = (batch->n + KV_SLICE_ITEMS - 1) / KV_SLICE_ITEMS;

	for (size_t i = 0; i < n; i++) {
		batch->slices[i] = (struct kv_slice){ .puts = batch->puts[i], .n = KV_SLICE_ITEMS };
		commit_op_init(&batch->ops[i], kv_slice_put_apply, &batch->slices[i], 0, STR_LIT(""));
		batch->ops[i].next = i + 1 < n ? &batch->ops[i + 1] : NULL;
	}
	if (n == 0)
		return;
	batch->slices[n - 1].n = batch->n - (n - 1) * KV_SLICE_ITEMS;
	commit_run_all(store, batch->ops);
	for (size_t i = 0; i < n; i++)
		if (batch->ops[i].rc != RC_OK)
			die("a write was refused");
	batch->n = 0;
}

static void batch_add(struct batch *batch, struct kv *kv, uint32_t project, uint64_t i, struct str value)
{
	size_t slice = batch->n / KV_SLICE_ITEMS, at = batch->n % KV_SLICE_ITEMS;
	char *name = batch->names[slice][at];
	int n = snprintf(name, NAME_MAX_BYTES, "key:%08" PRIu64, i);

	batch->puts[slice][at] = (struct kv_put){
		.kv = kv, .project = project, .key = str_make(name, (size_t)n), .value = value, .kind = KIND_JSON,
		.now = clock_wall_s()
	};
	batch->n++;
}

int main(int argc, char **argv)
{
	struct batch *batch = calloc(1, sizeof *batch);
	struct conf conf;
	struct store *store;
	struct kv *kv;
	char *value;
	size_t size;

	if (argc != 7 || batch == NULL)
		die("DATA_DIR FIRST_PROJECT PROJECTS FIRST KEYS VALUE_BYTES");
	log_open("growth_load", LOG_LEVEL_ERROR);
	conf_defaults(&conf);
	free(conf.data_dir);
	conf.data_dir = strdup(argv[1]);
	/* Nobody waits for a short recovery here. */
	conf.checkpoint_size = 512 << 20;
	conf.ballast_size = conf.reserve_size = 0;
	size = number(argv[6]);
	value = malloc(size + 1);
	if (value == NULL || size < 2)
		die("a value has two quotes at least");
	memset(value, 'v', size);
	value[0] = value[size - 1] = '"';
	if (store_open(&store, &conf) != STORE_OPENED || kv_open(&kv, store) != RC_OK)
		die("the store cannot be opened");
	for (uint64_t project = number(argv[2]), end = project + number(argv[3]); project < end; project++) {
		for (uint64_t i = number(argv[4]), last = i + number(argv[5]); i < last; i++) {
			batch_add(batch, kv, (uint32_t)project, i, str_make(value, size));
			if (batch->n == SLICES * KV_SLICE_ITEMS)
				batch_write(store, batch);
		}
	}
	batch_write(store, batch);
	kv_close(kv);
	store_close(store);
	conf_clear(&conf);
	free(value);
	free(batch);
	return 0;
}
