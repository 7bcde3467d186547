/*
 * main.c - tmakvd: arguments -> settings -> serve_run().
 *
 * Without -c it reads tmakv.conf of the system's configuration directory, if there is one. `--server` is how
 * the supervisor starts the server process, and `--prepare` how tmakvctl has a backup finished; they are nothing
 * for people.
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
	"usage: tmakvd [-c FILE] [-s PATH] [-t] [-V] [-h] [--verify DIR | --restore DIR]\n";

static const char help[] =
	"\n"
	"The key-value store of Telegram Mini Apps, behind a web server with FastCGI.\n"
	"\n"
	"  -c FILE     settings; without it, if it is there, the file\n"
	"              " DEFAULT_FILE "\n"
	"  -s PATH     listen at PATH, whatever was handed over or is configured\n"
	"  -t          check the settings, say what is wrong, and exit\n"
	"  -V          print the version and exit\n"
	"  -h, --help  print this and exit\n"
	"  --verify DIR   is this backup of tmakvctl's good?\n"
	"  --restore DIR  copy it into the data directory, which must be empty\n"
	"\n"
	"The FastCGI socket is the first of: -s, LISTEN_FDS of systemd, descriptor 0\n"
	"(spawn-fcgi), the setting `listen`. tmakvd stays in the foreground and logs to\n"
	"standard error.\n"
	"\n"
	"  SIGTERM, SIGINT, SIGUSR1   finish what is under way and stop\n"
	"  SIGHUP                     check the settings and start a server with them\n"
	"  SIGUSR2                    the same, with the program file that is there now\n"
	"\n"
	"Exit status: 0 stopped, 64 usage, 65 damaged data, 75 start again, 78 settings.\n"
	"\n"
	"See tmakvd(8), tmakv.conf(5) for the settings, and tmakv(7) to begin with.\n";

struct command {
	struct serve_options options;
	bool is_server;			/* --server, with these descriptors: */
	struct serve_fds fds;
	struct serve_handover handover;	/* options.handover, when there is one */
	const char *prepare, *verify, *restore;		/* a directory */
	bool check;
};

/* Bad usage; does not return. */
static void bad_usage(void)
{
	fputs(usage, stderr);
	fputs("tmakvd --help says what they mean\n", stderr);
	exit(EXIT_USAGE_ERROR);
}

static void read_arguments(struct command *command, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "server", required_argument, NULL, 'S' },
		{ "prepare", required_argument, NULL, 'P' },
		{ "verify", required_argument, NULL, 'v' },
		{ "restore", required_argument, NULL, 'r' },
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
		case 'P': command->prepare = optarg; break;
		case 'v': command->verify = optarg; break;
		case 'r': command->restore = optarg; break;
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
	if (optind != argc) {
		fprintf(stderr, "tmakvd: '%s' is a word too many\n", argv[optind]);
		bad_usage();
	}
	if (command->options.conf_file == NULL && access(DEFAULT_FILE, F_OK) == 0)
		command->options.conf_file = DEFAULT_FILE;
}

/* What a running tmakvd leaves to this process; does not return when it makes no sense. */
static void read_handover(struct command *command)
{
	switch (serve_handover_read(&command->handover, command->check)) {
	case HANDED_NOTHING:
		break;
	case HANDED_OVER:
		command->options.handover = &command->handover;
		break;
	case HANDED_WRONG:
		fputs("tmakvd: TMAKV_HANDOVER is set, but not to what a running tmakvd of this version hands over\n",
		      stderr);
		exit(EXIT_AGAIN);
	}
}

/* Who takes over begins with the settings in use; the file comes later. */
static bool read_handed(const struct serve_handover *handover, struct conf *conf, struct conf_error *error)
{
	return conf_read_fd(conf, "settings in use", handover->settings, error);
}

/* -t: the file, and whether we could take over when a running tmakvd asks that. */
static int check(const struct command *command)
{
	const struct serve_handover *handover = command->options.handover;
	struct conf_error error;
	struct conf in_use;

	printf("%s: ok\n", command->options.conf_file == NULL ? "defaults" : command->options.conf_file);
	if (handover == NULL)
		return EXIT_SUCCESS;
	if (!read_handed(handover, &in_use, &error)) {
		fprintf(stderr, "tmakvd: %s\n", error.text);
		return EXIT_CONF;
	}
	conf_clear(&in_use);
	serve_handover_agree();
	return EXIT_SUCCESS;
}

/* A server has the settings that its supervisor has checked. */
static bool read_settings(const struct command *command, struct conf *conf)
{
	const char *file = command->options.conf_file;
	struct conf_error error;
	bool good = true;

	if (command->is_server)
		good = conf_read_fd(conf, "settings", command->fds.settings, &error);
	else if (command->options.handover != NULL && !command->check)
		good = read_handed(command->options.handover, conf, &error);
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
	if (command.prepare != NULL)
		return serve_prepare(command.prepare);
	if (command.verify != NULL)
		return serve_verify(command.verify);
	if (!command.is_server)
		read_handover(&command);
	if (!read_settings(&command, &conf))
		return EXIT_CONF;
	if (command.check) {
		conf_clear(&conf);
		return check(&command);
	}
	if (command.restore != NULL) {
		code = serve_restore(command.restore, &conf);
		conf_clear(&conf);
		return code;
	}
	log_level_read(conf.log_level, &level);
	log_open(command.is_server ? "tmakvd server" : "tmakvd", level);
	code = command.is_server ? serve_server(&conf, &command.fds) : serve_run(&command.options, &conf);
	conf_clear(&conf);
	return code;
}
