/*
 * fuzz_conf.c - settings: either all of them are within what conf.h promises, or there
 * is an error for a person and nothing is left allocated.
 */
#include "config.h"

#include <string.h>

#include "base/conf.h"
#include "base/log.h"
#include "base/str.h"
#include "fuzz.h"

static void is_path(const char *path, size_t most)
{
	assert(path[0] == '/' && strlen(path) <= most && str_is_utf8(str_c(path)));
}

static void is_in_order(const struct conf *conf)
{
	enum log_level level;

	is_path(conf->data_dir, 1023);
	if (conf->log_dir[0] != '\0')
		is_path(conf->log_dir, 1023);
	is_path(conf->listen, 107);
	is_path(conf->control, 107);
	assert(conf->listen_mode >= 0 && conf->listen_mode <= 0777);
	assert(conf->workers >= 0 && conf->workers <= 64);
	assert(conf->cache_size >= 1 << 20 && conf->cache_size <= (int64_t)1 << 40);
	assert(conf->reserve_size >= 0);
	assert(conf->value_limit >= 1 && conf->value_limit <= 26214400);
	assert(conf->issuer[0] != '\0' && conf->listen_group != NULL);
	assert(log_level_read(conf->log_level, &level));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct conf_error error;
	struct conf conf;

	memset(&error, 'x', sizeof error);
	if (conf_read_text(&conf, "fuzz.conf", (const char *)p, n, &error)) {
		is_in_order(&conf);
		conf_clear(&conf);
	} else {
		assert(memchr(error.text, '\0', sizeof error.text) != NULL);
		assert(strncmp(error.text, "fuzz.conf:", 10) == 0);
		assert(str_is_utf8(str_c(error.text)));
		assert(conf.data_dir == NULL && conf.log_level == NULL);
	}
	return 0;
}
