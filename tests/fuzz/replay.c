/*
 * replay.c - a fuzz target without a fuzzer: each file once, whole and cut short.
 *
 *     fuzz_NAME FILE|FOLDER...
 *
 * A copy of the bytes ends where its memory ends, so that valgrind and the sanitizers
 * see a read behind it. Each beginning of a file is an input too: most mistakes in
 * parsers are made at the end.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { CUT_BELOW = 1024 };	/* longer files are tried whole only */

static unsigned long files;

static void fail(const char *name)
{
	fprintf(stderr, "%s: %s\n", name, strerror(errno));
	exit(99);
}

static void run(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n);

	if (copy == NULL && n != 0)
		fail("memory");
	if (n != 0)
		memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void run_file(const char *name, size_t size)
{
	uint8_t *bytes = malloc(size + 1);
	FILE *in = fopen(name, "rb");
	size_t n;

	if (bytes == NULL || in == NULL)
		fail(name);
	/* Should the target die, this is the last line. */
	printf("%s\n", name);
	fflush(stdout);
	n = fread(bytes, 1, size, in);
	if (ferror(in))
		fail(name);
	fclose(in);
	run(bytes, n);
	for (size_t cut = 0; n < CUT_BELOW && cut < n; cut++)
		run(bytes, cut);
	free(bytes);
	files++;
}

static void run_path(const char *name)
{
	struct dirent *entry;
	struct stat st;
	DIR *folder;

	if (stat(name, &st) != 0)
		fail(name);
	if (!S_ISDIR(st.st_mode)) {
		run_file(name, (size_t)st.st_size);
		return;
	}
	folder = opendir(name);
	if (folder == NULL)
		fail(name);
	while ((entry = readdir(folder)) != NULL) {
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof path, "%s/%s", name, entry->d_name) >= (int)sizeof path) {
			errno = ENAMETOOLONG;
			fail(name);
		}
		run_path(path);
	}
	closedir(folder);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE|FOLDER...\n", argv[0]);
		return 64;
	}
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	printf("%lu files\n", files);
	return files == 0;
}
