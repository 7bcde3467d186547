/*
 * input.c - what tmakvctl reads: standard input, files, and bots' tokens.
 *
 * A bot's token is more than this project needs: whoever has it is the bot. So it comes
 * from a file or standard input, never from the command line that every user can see, is
 * turned into what checks initData here, and is wiped. It is sent nowhere.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "ctl/ctl.h"

/* Telegram's tokens have about 46 bytes. */
enum { TOKEN_MAX = 256 };

/* At most SIZE bytes of FD; -1 and errno when it cannot be read. */
static ssize_t read_up_to(int fd, char *p, size_t size)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, p + n, size - n);

		if (got == 0)
			break;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

/* Editors and echo end a file with a line end that belongs to nothing. */
static struct str without_line_end(struct str s)
{
	if (s.n != 0 && s.p[s.n - 1] == '\n') {
		s.n--;
		if (s.n != 0 && s.p[s.n - 1] == '\r')
			s.n--;
	}
	return s;
}

enum ctl_exit input_read(struct ctl *ctl, int fd, const char *name, size_t max, struct str *out)
{
	char *p = arena_alloc(ctl->arena, max);
	ssize_t n;

	if (p == NULL)
		ctl_no_memory();
	n = read_up_to(fd, p, max);
	if (n < 0)
		return ctl_fail(ctl, CTL_IO, "io", "%s cannot be read: %s", name, strerror(errno));
	*out = without_line_end(str_make(p, (size_t)n));
	return CTL_OK;
}

enum ctl_exit input_bytes(struct ctl *ctl, int fd, const char *name, size_t max, struct str *out)
{
	char *p = arena_alloc(ctl->arena, max + 1);
	ssize_t n;

	if (p == NULL)
		ctl_no_memory();
	n = read_up_to(fd, p, max + 1);
	if (n < 0)
		return ctl_fail(ctl, CTL_IO, "io", "%s cannot be read: %s", name, strerror(errno));
	if ((size_t)n > max)
		return ctl_fail(ctl, CTL_USAGE, "too_large", "%s has more than %zu bytes", name, max);
	*out = str_make(p, (size_t)n);
	return CTL_OK;
}

enum ctl_exit input_file(struct ctl *ctl, const char *file, size_t max, struct str *out)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	enum ctl_exit exit;

	if (fd < 0)
		return ctl_fail(ctl, errno == EACCES ? CTL_PERMISSION : CTL_USAGE, "file", "%s cannot be read: %s",
				file, strerror(errno));
	exit = input_read(ctl, fd, file, max, out);
	close(fd);
	return exit;
}

/* --- bots --- */

/* The file of a token; -1 when reported. What looks like a token itself is not repeated. */
static int token_open(struct ctl *ctl, const char *file, enum ctl_exit *exit)
{
	uint8_t secret[BOT_SECRET_SIZE];
	uint64_t id;
	int fd = open(file, O_RDONLY | O_CLOEXEC), why = errno;
	struct stat st;

	if (fd < 0 && initdata_secret(str_c(file), secret, &id)) {
		OPENSSL_cleanse(secret, sizeof secret);
		*exit = ctl_usage(ctl, "--bot-token-file takes the name of a file, not the token: on a command line it can be "
				  "seen by others and stays in the shell's history. Ask @BotFather for a new one");
	} else if (fd < 0) {
		*exit = ctl_fail(ctl, why == EACCES ? CTL_PERMISSION : CTL_USAGE, "file", "%s cannot be read: %s",
				 file, strerror(why));
	} else if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IROTH) != 0) {
		ctl_warn("warning: everybody on this machine can read %s: chmod 600 it", file);
	}
	return fd;
}

static enum ctl_exit read_token(struct ctl *ctl, const char *file, bool stdin_is_free, struct bot *bot)
{
	bool is_stdin = strcmp(file, "-") == 0;
	const char *name = is_stdin ? "standard input" : file;
	enum ctl_exit exit = CTL_OK;
	char token[TOKEN_MAX];
	ssize_t n;
	int fd = STDIN_FILENO;

	if (is_stdin && !stdin_is_free)
		return ctl_usage(ctl, "standard input can be read once only; put the token in a file");
	if (!is_stdin && (fd = token_open(ctl, file, &exit)) < 0)
		return exit;
	n = read_up_to(fd, token, sizeof token);
	if (n < 0)
		exit = ctl_fail(ctl, CTL_IO, "io", "%s cannot be read: %s", name, strerror(errno));
	else if (!initdata_secret(without_line_end(str_make(token, (size_t)n)), bot->secrets[0], &bot->id))
		exit = ctl_usage(ctl, "%s holds no bot token: it is <digits>:<letters, digits, _ and ->, as @BotFather "
				 "sent it, with nothing before or behind it", name);
	else
		bot->n_secrets = 1;
	OPENSSL_cleanse(token, sizeof token);
	if (!is_stdin)
		close(fd);
	return exit;
}

static enum ctl_exit read_bot_id(struct ctl *ctl, const char *value, struct bot *bot)
{
	if (!str_to_u64(str_c(value), 1, TELEGRAM_ID_MAX, &bot->id))
		return ctl_usage(ctl, "--bot-id takes the number before the colon of the bot's token");
	return CTL_OK;
}

/* --test or --public-key, which belong to the --bot-id that stands right before them. */
static enum ctl_exit read_key(struct ctl *ctl, const struct ctl_given *given, struct bot *bot)
{
	if (given->option == OPTION_TEST) {
		memcpy(bot->public_key, initdata_key_test, BOT_PUBLIC_KEY_SIZE);
		return CTL_OK;
	}
	if (!hex_decode(str_c(given->value), bot->public_key, BOT_PUBLIC_KEY_SIZE))
		return ctl_usage(ctl, "--public-key takes 64 hexadecimal digits");
	return CTL_OK;
}

enum ctl_exit input_bots(struct ctl *ctl, bool stdin_is_free, struct bot *bots, size_t *n)
{
	struct bot *by_id = NULL;	/* may still be told its key */
	enum ctl_exit exit = CTL_OK;

	*n = 0;
	for (size_t i = 0; exit == CTL_OK && i < ctl->n_given; i++) {
		const struct ctl_given *given = &ctl->given[i];

		switch (given->option) {
		case OPTION_BOT_TOKEN_FILE:
		case OPTION_BOT_ID:
			if (*n == INPUT_BOTS_MAX)
				return ctl_usage(ctl, "these are too many bots");
			by_id = given->option == OPTION_BOT_ID ? &bots[*n] : NULL;
			bots[*n] = (struct bot){ 0 };
			memcpy(bots[*n].public_key, initdata_key_production, BOT_PUBLIC_KEY_SIZE);
			if (by_id != NULL) {
				exit = read_bot_id(ctl, given->value, by_id);
			} else {
				exit = read_token(ctl, given->value, stdin_is_free, &bots[*n]);
				stdin_is_free = stdin_is_free && strcmp(given->value, "-") != 0;
			}
			(*n)++;
			break;
		case OPTION_TEST:
		case OPTION_PUBLIC_KEY:
			if (by_id == NULL)
				return ctl_usage(ctl, "--test and --public-key say which key checks a bot: one of them, right "
						 "behind --bot-id");
			exit = read_key(ctl, given, by_id);
			by_id = NULL;
			break;
		default:
			break;
		}
	}
	return exit;
}
