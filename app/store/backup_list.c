/*
 * backup_list.c - see backup_list.h.
 *
 *   tmakv-backup 1
 *   program 1.0.0
 *   format 2
 *   account 6d0f...
 *   begun 2026-11-25T18:40:24Z
 *   ended 2026-11-25T18:40:26Z
 *   keys 12345
 *   file 4096 9f86d081... keys.db
 *   sum 60303ae2...
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hex.h"
#include "store/backup_list.h"
#include "store/private.h"

enum { LIST_MAX = 4 << 20, HASH_SIZE = 32, PASS_BYTES = 1 << 20 };

void list_add(struct backup_list *list, const char *name, uint64_t size, const char *hash)
{
	struct backup_file *files = realloc(list->files, (list->n + 1) * sizeof *files), *file;

	if (files == NULL)
		abort();
	list->files = files;
	file = &files[list->n++];
	snprintf(file->name, sizeof file->name, "%s", name);
	snprintf(file->hash, sizeof file->hash, "%s", hash);
	file->size = size;
	list->info.files = list->n;
	list->info.bytes += size;
}

void list_clear(struct backup_list *list)
{
	free(list->files);
	*list = (struct backup_list){ .n = 0 };
}

void list_time(int64_t seconds, char text[24])
{
	time_t time = (time_t)seconds;
	struct tm tm;

	text[0] = '\0';
	if (gmtime_r(&time, &tm) != NULL)
		strftime(text, 24, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void hash_text(const void *p, size_t n, char hex[BACKUP_HASH_HEX + 1])
{
	uint8_t hash[HASH_SIZE];

	if (EVP_Digest(p, n, hash, NULL, EVP_sha256(), NULL) != 1)
		abort();
	hex_encode(hash, sizeof hash, hex);
	hex[BACKUP_HASH_HEX] = '\0';
}

/* ---- names ---- */

bool log_is_name(const char *name)
{
	return strncmp(name, "log.", 4) == 0 && strlen(name) == 14 && strspn(name + 4, "0123456789") == 10;
}

bool backup_is_name(const char *name)
{
	for (int table = 0; table < STORE__TABLES; table++)
		if (strcmp(name, table_name((enum store_table)table)) == 0)
			return true;
	return strncmp(name, "log/", 4) == 0 && log_is_name(name + 4);
}

/* ---- reading ---- */

static bool text_take(struct str value, char *out, size_t size)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < 0x20 || value.p[i] > 0x7e)
			return false;
	snprintf(out, size, "%.*s", STR(value));
	return value.n < size;
}

/* "SIZE HASH NAME" */
static bool file_take(struct backup_list *list, struct str value)
{
	struct str size, hash, rest;
	char name[BACKUP_NAME_MAX + 1], hex[BACKUP_HASH_HEX + 1];
	uint8_t bytes[HASH_SIZE];
	uint64_t n;

	if (!str_cut(value, ' ', &size, &rest) || !str_cut(rest, ' ', &hash, &rest) ||
	    !str_to_u64(size, 0, INT64_MAX, &n) || !hex_decode(hash, bytes, sizeof bytes) ||
	    !text_take(hash, hex, sizeof hex) || !text_take(rest, name, sizeof name) || !backup_is_name(name))
		return false;
	list_add(list, name, n, hex);
	return true;
}

static bool line_take(struct backup_list *list, struct str line)
{
	struct backup_info *info = &list->info;
	struct str word, value;

	str_cut(line, ' ', &word, &value);
	if (str_eq(word, STR_LIT("file")))
		return file_take(list, value);
	if (str_eq(word, STR_LIT("program")))
		return text_take(value, info->program, sizeof info->program);
	if (str_eq(word, STR_LIT("account")))
		return text_take(value, info->account, sizeof info->account);
	if (str_eq(word, STR_LIT("begun")))
		return text_take(value, info->begun, sizeof info->begun);
	if (str_eq(word, STR_LIT("ended")))
		return text_take(value, info->ended, sizeof info->ended);
	if (str_eq(word, STR_LIT("format")))
		return str_to_u64(value, 1, UINT32_MAX, &info->format);
	if (str_eq(word, STR_LIT("keys")))
		return str_to_u64(value, 0, INT64_MAX, &info->keys);
	return true;	/* a newer program's */
}

/* The last line is "sum " and the checksum of all before it. */
static bool sum_is_right(struct str text, struct str *body)
{
	const size_t n_last = 4 + BACKUP_HASH_HEX + 1;
	char hex[BACKUP_HASH_HEX + 1];
	const char *last;

	if (text.n < n_last || text.p[text.n - 1] != '\n')
		return false;
	*body = str_make(text.p, text.n - n_last);
	last = text.p + body->n;
	hash_text(body->p, body->n, hex);
	return memcmp(last, "sum ", 4) == 0 && memcmp(last + 4, hex, BACKUP_HASH_HEX) == 0;
}

/* All of FILE, to be freed; NULL and errno. */
static char *text_read(int dir_fd, const char *file, size_t *n)
{
	int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text = fd < 0 ? NULL : malloc(LIST_MAX);
	ssize_t got = 1;
	int error = fd < 0 ? errno : 0;

	for (*n = 0; text != NULL && got > 0 && *n < LIST_MAX; *n += (size_t)got)
		if ((got = read(fd, text + *n, LIST_MAX - *n)) < 0) {
			error = errno;
			free(text);
			text = NULL;
			break;
		}
	if (fd >= 0)
		close(fd);
	errno = error;
	return text;
}

enum copy_end list_read(struct backup_list *list, int dir_fd, const char *file, bool whole, const struct copy_how *how)
{
	struct str text, line;
	bool good;
	size_t n;
	char *p = text_read(dir_fd, file, &n);

	*list = (struct backup_list){ .n = 0 };
	if (p == NULL && errno == ENOENT)
		return COPY_NONE;
	if (p == NULL) {
		how->say("%s cannot be read: %s", file, strerror(errno));
		return COPY_IO;
	}
	text = str_make(p, n);
	good = str_cut(text, '\n', &line, &text) && str_starts(line, STR_LIT("tmakv-backup "));
	if (good && !str_eq(line, STR_LIT("tmakv-backup 1"))) {
		how->say("this backup was made by a newer tmakvd: use that version");
		free(p);
		return COPY_NONE;
	}
	/* From the second line on, without the sum. */
	if (good && (good = sum_is_right(str_make(p, n), &text)))
		str_cut(text, '\n', &line, &text);
	while (good && text.n != 0) {
		str_cut(text, '\n', &line, &text);
		good = line_take(list, line);
	}
	free(p);
	if (good && (!whole || list->n != 0))
		return COPY_OK;
	list_clear(list);
	how->say("%s is damaged: what it says of the other files is not to be trusted", file);
	return COPY_DAMAGED;
}

/* ---- writing ---- */

static char *list_text(const struct backup_list *list, size_t *n)
{
	const struct backup_info *info = &list->info;
	char *text = NULL, hex[BACKUP_HASH_HEX + 1];
	FILE *out = open_memstream(&text, n);

	if (out == NULL)
		abort();
	fprintf(out, "tmakv-backup 1\nprogram %s\nformat %" PRIu64 "\naccount %s\nbegun %s\nended %s\nkeys %" PRIu64 "\n",
		info->program, info->format, info->account, info->begun, info->ended, info->keys);
	for (size_t i = 0; i < list->n; i++)
		fprintf(out, "file %" PRIu64 " %s %s\n", list->files[i].size, list->files[i].hash, list->files[i].name);
	if (fflush(out) != 0)
		abort();
	hash_text(text, *n, hex);
	fprintf(out, "sum %s\n", hex);
	if (fclose(out) != 0)
		abort();
	return text;
}

int list_write(const struct backup_list *list, int dir_fd, const char *file)
{
	int fd = openat(dir_fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), error = 0;
	size_t n;
	char *text = list_text(list, &n);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n || fsync(fd) != 0)
		error = errno != 0 ? errno : EIO;
	if (fd >= 0 && close(fd) != 0 && error == 0)
		error = errno;
	free(text);
	return error;
}

/* ---- the files ---- */

static int write_all(int fd, const char *p, size_t n)
{
	while (n != 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int bytes_pass(int in_fd, int out_fd, EVP_MD_CTX *hash, uint64_t *size, bool *wrote)
{
	char *buf = malloc(PASS_BYTES);
	ssize_t n = 0;
	int error = buf == NULL ? ENOMEM : 0;

	while (error == 0 && ((n = read(in_fd, buf, PASS_BYTES)) > 0 || (n < 0 && errno == EINTR))) {
		if (n < 0)
			continue;
		if (EVP_DigestUpdate(hash, buf, (size_t)n) != 1)
			abort();
		*size += (uint64_t)n;
		if (out_fd >= 0 && (error = write_all(out_fd, buf, (size_t)n)) != 0)
			*wrote = true;
	}
	if (error == 0 && n < 0)
		error = errno;
	free(buf);
	return error;
}

int file_pass(int dir_fd, const char *name, int out_fd, struct backup_file *file, bool *wrote)
{
	int in_fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), error;
	EVP_MD_CTX *hash;
	uint8_t bytes[HASH_SIZE];

	*wrote = false;
	*file = (struct backup_file){ .size = 0 };
	if (in_fd < 0)
		return errno;
	hash = EVP_MD_CTX_new();
	if (hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
		abort();
	snprintf(file->name, sizeof file->name, "%s", name);
	error = bytes_pass(in_fd, out_fd, hash, &file->size, wrote);
	if (EVP_DigestFinal_ex(hash, bytes, NULL) != 1)
		abort();
	hex_encode(bytes, sizeof bytes, file->hash);
	file->hash[BACKUP_HASH_HEX] = '\0';
	EVP_MD_CTX_free(hash);
	close(in_fd);
	return error;
}
