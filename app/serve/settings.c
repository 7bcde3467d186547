/*
 * settings.c - the settings that the supervisor hands to its servers: as text, in a file without a name.
 *
 * A server reads them from there and not from the configuration file, so one that starts after a crash has
 * the settings of the one before it, whatever somebody is writing into the file just now.
 *
 * New settings are on probation until a server has served with them; the ones before are kept so long.
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

enum { PROBATION_STARTS = 3 };	/* that may fail until the settings before are taken again */

/* --- one set --- */

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

static bool set_take(struct settings_set *out, int fd)
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

static bool set_make(struct settings_set *out, const struct conf *conf)
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
		return set_take(out, fd);
	LOG_ERROR("the settings cannot be kept in memory", LOG_ERRNO(errno));
	if (fd >= 0)
		close(fd);
	out->fd = -1;
	return false;
}

static void set_close(struct settings_set *set)
{
	if (set->fd < 0)
		return;
	close(set->fd);
	conf_clear(&set->conf);
	set->fd = -1;
}

/* --- the set in use, and the one before it --- */

/* The next server has SET, and so have we. */
static void use(struct settings *s, const struct settings_set *set)
{
	enum log_level level = LOG_LEVEL_INFO;

	s->now = *set;
	s->n_failed = 0;
	log_level_read(s->now.conf.log_level, &level);
	log_open("tmakvd", level);
}

bool settings_open(struct settings *s, const struct conf *conf)
{
	*s = (struct settings){ .now.fd = -1, .before.fd = -1 };
	return set_make(&s->now, conf);
}

bool settings_take(struct settings *s, int fd)
{
	*s = (struct settings){ .now.fd = -1, .before.fd = -1 };
	return set_take(&s->now, fd);
}

void settings_close(struct settings *s)
{
	set_close(&s->now);
	set_close(&s->before);
}

/* CONF is valid: the next server gets it, but for what a reload cannot change. */
static bool change(struct settings *s, struct conf *conf)
{
	struct settings_set set;
	char names[128];

	if (conf_keep_fixed(conf, &s->now.conf, names, sizeof names))
		LOG_WARN("these settings have changed, but take effect only when tmakvd is stopped and started",
			 LOG_STR("settings", names));
	if (conf_is_same(conf, &s->now.conf))
		return true;
	if (!set_make(&set, conf))
		return false;
	/* Those that are on probation themselves are not worth going back to. */
	if (s->before.fd < 0)
		s->before = s->now;
	else
		set_close(&s->now);
	use(s, &set);
	return true;
}

bool settings_read_again(struct settings *s, const char *file)
{
	struct conf_error error;
	struct conf conf;
	bool good;

	if (file == NULL) {
		LOG_WARN("there is no configuration file to read again");
		return true;
	}
	if (!conf_read(&conf, file, &error)) {
		LOG_ERROR("the configuration is not valid; keeping the one in use",
			  LOG_STR("error", error.text));
		return false;
	}
	good = change(s, &conf);
	conf_clear(&conf);
	return good;
}

void settings_have_served(struct settings *s)
{
	s->n_failed = 0;
	set_close(&s->before);
}

bool settings_go_back(struct settings *s, bool for_good)
{
	struct settings_set before = s->before;

	s->n_failed++;
	if (before.fd < 0 || (!for_good && s->n_failed < PROBATION_STARTS))
		return false;
	set_close(&s->now);
	s->before.fd = -1;
	use(s, &before);
	return true;
}
