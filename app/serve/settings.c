/*
 * settings.c - the settings that the supervisor hands to its servers: as text, in a file without a name.
 *
 * A server reads them from there and not from the configuration file, so one that starts after a crash has
 * the settings of the one before it, whatever somebody is writing into the file just now.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "serve/private.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static bool write_all(int fd, const char *text, size_t n)
{
	while (n != 0) {
		ssize_t put = write(fd, text, n);

		if (put < 0 && errno != EINTR)
			return false;
		text += put < 0 ? 0 : put;
		n -= put < 0 ? 0 : (size_t)put;
	}
	return true;
}

static int nameless_file(void)
{
	int fd = memfd_create("tmakv.conf", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	/* Kernels before 6.3 do not know the flag, and later ones may want it. */
	return fd >= 0 || errno != EINVAL ? fd : memfd_create("tmakv.conf", MFD_CLOEXEC);
}

bool settings_take(struct settings *out, int fd)
{
	struct conf_error error;

	out->fd = fd;
	if (conf_read_fd(&out->conf, "settings", fd, &error))
		return true;
	LOG_ERROR("the settings cannot be read back", LOG_STR("error", error.text));
	close(fd);
	out->fd = -1;
	return false;
}

bool settings_make(struct settings *out, const struct conf *conf)
{
	char *text = NULL;
	size_t n;
	FILE *stream = open_memstream(&text, &n);
	int fd = nameless_file();
	bool good = stream != NULL && fd >= 0;

	if (stream != NULL) {
		conf_print(conf, stream);
		good = fclose(stream) == 0 && good;
	}
	good = good && write_all(fd, text, n);
	free(text);
	if (good)
		return settings_take(out, fd);
	LOG_ERROR("the settings cannot be kept in memory", LOG_ERRNO(errno));
	if (fd >= 0)
		close(fd);
	out->fd = -1;
	return false;
}

void settings_close(struct settings *settings)
{
	if (settings->fd < 0)
		return;
	close(settings->fd);
	conf_clear(&settings->conf);
	settings->fd = -1;
}
