/*
 * fuzz_items.c - a file that is imported, taken apart: the items of a good array are those of a document, and of lines
 * each is a line; whatever the bytes are, places only rise and the end is told.
 */
#include "config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/jdoc.h"
#include "base/jtext.h"
#include "ctl/items.h"
#include "fuzz.h"

enum { MAX = 4096 };

static int file_of(const uint8_t *p, size_t n)
{
	int fd = memfd_create("items", MFD_CLOEXEC);

	assert(fd >= 0);
	assert(n == 0 || write(fd, p, n) == (ssize_t)n);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	int fd = file_of(p, n);
	struct items *items = items_new(fd, MAX);
	struct items_place before = { .number = 0 };
	enum items_step step;
	struct str item;
	size_t count = 0, bad_at;
	json_object *doc;

	while ((step = items_next(items, &item)) == ITEMS_ONE) {
		struct items_place place = items_place(items);

		count++;
		assert(item.n <= MAX);
		assert(place.number == count && place.line >= before.line);
		assert(item.n <= n && memmem(p, n, item.p, item.n) != NULL);
		before = place;
	}
	assert(step == ITEMS_END || (step == ITEMS_BAD && items_fault(items)[0] != '\0'));
	assert(items_bytes(items) <= n);
	if (step == ITEMS_END && jtext_check(str_make(p, n), &bad_at)) {
		doc = jdoc_read(str_make(p, n), JTEXT_DEPTH);
		assert(!json_object_is_type(doc, json_type_array) || json_object_array_length(doc) == count);
		json_object_put(doc);
	}
	items_free(items);
	close(fd);
	return 0;
}
