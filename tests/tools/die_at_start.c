/*
 * die_at_start.c - for LD_PRELOAD: as long as the file DIE_AT_START names is there, a tmakvd that is to be a
 * server dies before it begins. The supervisor is not touched.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void die_at_start(void)
{
	const char *file = getenv("DIE_AT_START");
	char line[4096];
	FILE *in = fopen("/proc/self/cmdline", "r");
	size_t n = in == NULL ? 0 : fread(line, 1, sizeof line, in);

	if (in != NULL)
		fclose(in);
	if (file != NULL && access(file, F_OK) == 0 && memmem(line, n, "--server", 9) != NULL)
		_exit(70);
}
