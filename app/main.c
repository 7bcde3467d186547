/*
 * main.c - tmakvd: arguments -> settings -> serve_run().
 *
 * Without -c it reads tmakv.conf of the system's configuration directory, if there is one. `--server` is how
 * the supervisor starts the server process; it is nothing for people.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/log.h"
#include "serve/serve.h"

#define DEFAULT_FILE SYSCONFDIR "/tmakv.conf"

static const char usage[] =
	"usage: tmakvd [-c FILE] [-s PATH] [-t] [-V] [-h]\n";

static const char help[] =
	"\n"
	"The key-value store of Telegram Mini Apps, behind a web server that speaks FastCGI.\n"
	"\n"
	"  -c FILE     settings; without it " DEFAULT_FILE " is read if it is there\n"
	"  -s PATH     listen at PATH, whatever was handed over or is configured\n"
	"  -t          check the settings, say what is wrong, and exit\n"
	"  -V          print the version and exit\n"
	"  -h, --help  print this and exit\n"
	"\n"
	"The FastCGI socket is the first of: -s, LISTEN_FDS of systemd, descriptor 0\n"
	"(spawn-fcgi), the setting `listen`. tmakvd stays in the foreground and logs to\n"
	"standard error.\n"
	"\n"
	"  SIGTERM, SIGINT, SIGUSR1   finish what is under way and stop\n"
	"  SIGHUP                     check the settings and start a server with them\n"
	"\n"
	"Exit status: 0 stopped, 64 usage, 65 damaged data, 75 start it again, 78 settings.\n"
	"\n"
	"Every setting, with its default, is explained in tmakv.conf(5) and in\n"
	DEFAULT_FILE ".\n";

struct command {
	struct serve_options options;
	bool is_server;			/* --server, with these descriptors: */
	struct serve_fds fds;
	bool check;
};

/* Bad usage; does not return. */
static void bad_usage(void)
{
	fputs(usage, stderr);
	exit(EXIT_USAGE_ERROR);
}

static void read_arguments(struct command *command, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "server", required_argument, NULL, 'S' },
		{ 0 }
	};
	int c;

	command->options.program = argv[0];
	while ((c = getopt_long(argc, argv, "c:s:tVh", options, NULL)) != -1) {
		switch (c) {
		case 'c': command->options.conf_file = optarg; break;
		case 's': command->options.listen = optarg; break;
		case 't': command->check = true; break;
		case 'S':
			if (!serve_parse_fds(optarg, &command->fds))
				bad_usage();
			command->is_server = true;
			break;
		case 'V':
			puts(PACKAGE_STRING);
			exit(EXIT_SUCCESS);
		case 'h':
			fputs(usage, stdout);
			fputs(help, stdout);
			exit(EXIT_SUCCESS);
		default:
			bad_usage();
		}
	}
	if (optind != argc)
		bad_usage();
	if (command->options.conf_file == NULL && access(DEFAULT_FILE, F_OK) == 0)
		command->options.conf_file = DEFAULT_FILE;
}

/* A server has the settings that its supervisor has checked. */
static bool read_settings(const struct command *command, struct conf *conf)
{
	const char *file = command->options.conf_file;
	struct conf_error error;
	bool good = true;

	if (command->is_server)
		good = conf_read_fd(conf, "settings", command->fds.settings, &error);
	else if (file == NULL)
		conf_defaults(conf);
	else
		good = conf_read(conf, file, &error);
	if (!good)
		fprintf(stderr, "tmakvd: %s\n", error.text);
	return good;
}

int main(int argc, char **argv)
{
	struct command command = { .check = false };
	enum log_level level = LOG_LEVEL_INFO;
	struct conf conf;
	int code;

	read_arguments(&command, argc, argv);
	if (!read_settings(&command, &conf))
		return EXIT_CONF;
	if (command.check) {
		printf("%s: ok\n", command.options.conf_file == NULL ? "defaults" : command.options.conf_file);
		conf_clear(&conf);
		return EXIT_SUCCESS;
	}
	log_level_read(conf.log_level, &level);
	log_open(command.is_server ? "tmakvd server" : "tmakvd", level);
	code = command.is_server ? serve_server(&conf, &command.fds) : serve_run(&command.options, &conf);
	conf_clear(&conf);
	return code;
}
