/*
 * disk.c - what lies in memory, what is on the platter, and what a cut makes of it. See disk.h.
 *
 * One lock guards everything here. It is held while the power is cut, so nothing gets through any more; it is
 * not held while a sync takes its time, so writes go on meanwhile, and those are not synced.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "disk.h"
#include "disk_names.h"

enum {
	BLOCK = 4096, SECTOR = 512,
	BUCKETS = 4096,
	DIRTY_MAX = 8192,		/* blocks; above that some go to the platter with each write */
	WRITE_BACK_ONE_IN = 6,		/* writes, behind which a block goes to the platter by itself */
	JOURNAL_ONE_IN = 400,		/* writes, behind which changes of names become durable by themselves */
	ZEROS_ONE_IN = 100,		/* writes of nothing but zeros, that count as an operation */
	RECOVERY_ONE_IN = 4,		/* lives that are short enough to end in recovery; but not three on end, */
	RECOVERY_OPERATIONS = 200,	/* for a supervisor waits longer and longer then */
	RECOVERED_OPERATIONS = 2500,
	NAMES_ONE_IN = 8,		/* changes of names, behind which the power goes within NAMES_OPERATIONS */
	NAMES_OPERATIONS = 8,
	HOLD_POLL_MS = 5
};

enum kind { KIND_DIRECTORY, KIND_PAGES, KIND_OTHER };

struct disk_file {
	struct disk_file *next;
	dev_t device;
	ino_t inode;
	enum kind kind;
	bool is_log;
	int fd;				/* our own */
	unsigned users;			/* descriptors, and syncs under way */
	size_t n_dirty;
	off_t safe_size;		/* a cut leaves at least that */
	uint64_t change;		/* the last one of its name */
};

/*
 * A block that differs from the platter. Each write has a number: a sync takes the blocks as they are when it begins,
 * and what has reached the platter since must not be overwritten by that.
 */
struct block {
	struct disk_file *file;
	off_t index;
	uint64_t written, on_platter;	/* the numbers of their writes */
	bool is_dirty;
	size_t at;			/* in dirty[], if so */
	unsigned syncs;			/* that will come back to it */
	struct block *next;		/* of its bucket */
	unsigned char bytes[BLOCK];
};

struct disk_real disk_real;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct disk_file *files;
static struct block *buckets[BUCKETS];
static struct block **dirty;
static size_t n_dirty, dirty_room;
static uint64_t n_writes;

/* From outside. */
static char *dir, *real_dir, *state;
static const char *hold, *lie;
static long cut_mean, lives, delay_ms;
static uint64_t seed;
static bool tears;

/* This life: it begins with the first file that is opened. */
static unsigned life;
static uint64_t random_state, operations, cut_at;	/* cut_at 0: never */

/* --- chance --- */

static uint64_t random_next(void)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint64_t random_below(uint64_t n)
{
	return random_next() % n;
}

static bool one_in(uint64_t n)
{
	return random_below(n) == 0;
}

/* --- the environment --- */

static void die(const char *what)
{
	perror(what);
	abort();
}

static void state_path(char path[PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", state, name);
}

void disk_begin(void)
{
	const char *text;

	if (getenv("DISK_DIR") == NULL)
		return;
	dir = strdup(getenv("DISK_DIR"));
	state = getenv("DISK_STATE") == NULL ? NULL : strdup(getenv("DISK_STATE"));
	real_dir = realpath(dir, NULL);
	if (real_dir == NULL || state == NULL)
		die("disk: DISK_DIR, DISK_STATE");
	hold = getenv("DISK_HOLD");
	lie = getenv("DISK_LIE");
	cut_mean = (text = getenv("DISK_CUT")) == NULL ? 0 : atol(text);
	lives = (text = getenv("DISK_LIVES")) == NULL ? LONG_MAX : atol(text);
	delay_ms = (text = getenv("DISK_SYNC_MS")) == NULL ? 0 : atol(text);
	seed = (text = getenv("DISK_SEED")) == NULL ? 0 : strtoull(text, NULL, 10);
	tears = (text = getenv("DISK_TEAR")) != NULL && strcmp(text, "1") == 0;
}

/* How many processes have come here: the state directory counts. */
static unsigned life_count(void)
{
	char path[PATH_MAX];
	struct stat st;
	int fd;

	state_path(path, "lives");
	fd = disk_real.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || disk_real.write(fd, "x", 1) != 1 || fstat(fd, &st) != 0)
		die(path);
	disk_real.close(fd);
	return (unsigned)st.st_size;
}

static bool is_calm(void)
{
	char path[PATH_MAX];

	state_path(path, "calm");
	return access(path, F_OK) == 0;
}

static void life_begin(void)
{
	life = life_count();
	random_state = seed * 1000003 + life;
	names_begin(state, life);
	if (cut_mean == 0 || life > lives)
		return;
	cut_at = 1 + (one_in(RECOVERY_ONE_IN) ? random_below(RECOVERY_OPERATIONS) :
		      random_below(2 * (uint64_t)cut_mean));
	if (life % 3 == 0)
		cut_at += RECOVERED_OPERATIONS;
}

static bool is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	return strncmp(path, top, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

bool disk_has(const char *path)
{
	return dir != NULL && (is_below(path, dir) || is_below(path, real_dir));
}

/* --- blocks --- */

static size_t bucket_of(const struct disk_file *file, off_t index)
{
	return (size_t)(((uint64_t)index * 31 + file->inode * 7919) % BUCKETS);
}

static struct block *block_find(const struct disk_file *file, off_t index)
{
	struct block *block = buckets[bucket_of(file, index)];

	while (block != NULL && (block->file != file || block->index != index))
		block = block->next;
	return block;
}

static void block_free(struct block *block)
{
	struct block **at = &buckets[bucket_of(block->file, block->index)];

	while (*at != block)
		at = &(*at)->next;
	*at = block->next;
	free(block);
}

/* As the platter has it; zeros behind the file's end. */
static void platter_read(const struct disk_file *file, off_t index, unsigned char bytes[BLOCK])
{
	ssize_t n = disk_real.pread(file->fd, bytes, BLOCK, index * BLOCK);

	if (n < 0)
		die("disk: reading the platter");
	memset(bytes + n, 0, (size_t)(BLOCK - n));
}

/* Never beyond the file's end: its last block may be a part of one. */
static void platter_write(const struct disk_file *file, off_t index, const unsigned char bytes[BLOCK])
{
	off_t at = index * BLOCK, n = BLOCK;
	struct stat st;

	if (fstat(file->fd, &st) != 0)
		die("disk: the size of a file");
	if (st.st_size - at < n)
		n = st.st_size - at;
	if (n > 0 && disk_real.pwrite(file->fd, bytes, (size_t)n, at) != (ssize_t)n)
		die("disk: writing to the platter");
}

static struct block *block_get(struct disk_file *file, off_t index)
{
	struct block *block = block_find(file, index), **bucket;

	if (block != NULL)
		return block;
	bucket = &buckets[bucket_of(file, index)];
	block = calloc(1, sizeof *block);
	if (block == NULL)
		die("disk");
	block->file = file;
	block->index = index;
	block->next = *bucket;
	*bucket = block;
	platter_read(file, index, block->bytes);
	return block;
}

static void block_set_dirty(struct block *block)
{
	block->written = ++n_writes;
	if (block->is_dirty)
		return;
	if (n_dirty == dirty_room) {
		dirty_room = 2 * dirty_room + 1024;
		dirty = realloc(dirty, dirty_room * sizeof *dirty);
		if (dirty == NULL)
			die("disk");
	}
	block->is_dirty = true;
	block->at = n_dirty;
	dirty[n_dirty++] = block;
	block->file->n_dirty++;
}

/* It has nothing more than the platter; gone, unless a sync will come back to it. */
static void block_set_clean(struct block *block)
{
	if (block->is_dirty) {
		dirty[block->at] = dirty[--n_dirty];
		dirty[block->at]->at = block->at;
		block->is_dirty = false;
		block->file->n_dirty--;
	}
	if (block->syncs == 0)
		block_free(block);
}

static off_t size_of(const struct disk_file *file)
{
	struct stat st;

	if (fstat(file->fd, &st) != 0)
		die("disk: the size of a file");
	return st.st_size;
}

/* A block gets to the platter by itself; with the last one of its file goes the file's size. */
static void write_back(struct block *block)
{
	struct disk_file *file = block->file;

	platter_write(file, block->index, block->bytes);
	block->on_platter = block->written;
	block_set_clean(block);
	if (file->n_dirty == 0)
		file->safe_size = size_of(file);
}

/* --- files --- */

static enum kind kind_of(const char *path, mode_t mode)
{
	const char *name = strrchr(path, '/') + 1, *end = strrchr(name, '.');

	if (S_ISDIR(mode))
		return KIND_DIRECTORY;
	return strncmp(name, "__db", 4) == 0 || (end != NULL && strcmp(end, ".db") == 0) ? KIND_PAGES : KIND_OTHER;
}

/* Nothing of it is left in memory, and nobody uses it. */
static void file_free_if_idle(struct disk_file *file)
{
	struct disk_file **at = &files;

	if (file->users != 0 || file->n_dirty != 0 || (file->kind != KIND_DIRECTORY && file->safe_size != size_of(file)))
		return;
	while (*at != file)
		at = &(*at)->next;
	*at = file->next;
	disk_real.close(file->fd);
	free(file);
}

static struct disk_file *file_find(const struct stat *st)
{
	struct disk_file *file = files;

	while (file != NULL && (file->inode != st->st_ino || file->device != st->st_dev))
		file = file->next;
	return file;
}

static struct disk_file *file_new(const char *path, const struct stat *st)
{
	struct disk_file *file = calloc(1, sizeof *file);

	if (file == NULL)
		die("disk");
	*file = (struct disk_file){
		.next = files, .device = st->st_dev, .inode = st->st_ino, .kind = kind_of(path, st->st_mode),
		.safe_size = st->st_size, .is_log = strstr(path, "/log.") != NULL
	};
	file->fd = disk_real.open(path, (file->kind == KIND_DIRECTORY ? O_RDONLY | O_DIRECTORY : O_RDWR) | O_CLOEXEC);
	if (file->fd < 0)
		die(path);
	files = file;
	return file;
}

/* --- the cut --- */

/* Of a block some sectors: those up to a random one, or any. */
static void tear(const struct block *block)
{
	unsigned char bytes[BLOCK];
	bool in_order = one_in(2);
	size_t sectors = 1 + random_below(BLOCK / SECTOR - 1);

	platter_read(block->file, block->index, bytes);
	for (size_t i = 0; i < BLOCK / SECTOR; i++)
		if (in_order ? i < sectors : one_in(2))
			memcpy(bytes + i * SECTOR, block->bytes + i * SECTOR, SECTOR);
	platter_write(block->file, block->index, bytes);
}

/* What becomes of the growth of a file that was never synced. */
static void size_lose(const struct disk_file *file)
{
	off_t size = size_of(file), unit = file->kind == KIND_PAGES ? BLOCK : SECTOR, grown = size - file->safe_size;

	if (file->kind == KIND_DIRECTORY || grown <= 0 || one_in(3))
		return;
	size = file->safe_size;
	if (one_in(2))
		size += (off_t)random_below((uint64_t)grown) / unit * unit;
	if (disk_real.ftruncate(file->fd, size) != 0)
		die("disk: cutting a file");
}

static void cut_note(size_t written, size_t torn, size_t undone)
{
	struct timespec now;
	char path[PATH_MAX], line[256];
	int fd, n;

	clock_gettime(CLOCK_REALTIME, &now);
	state_path(path, "cuts");
	fd = disk_real.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	n = snprintf(line, sizeof line, "%lld%06ld cut life %u, operation %llu: %zu blocks written, %zu torn, %zu lost, "
		     "%zu of %zu names undone\n", (long long)now.tv_sec, now.tv_nsec / 1000, life,
		     (unsigned long long)operations, written, torn, n_dirty - written - torn, undone, undone + names_count());
	if (fd < 0 || disk_real.write(fd, line, (size_t)n) != n)
		die(path);
}

static _Noreturn void cut(void)
{
	/* Sometimes nearly all or nearly nothing gets through: how many of 100 blocks. */
	static const unsigned some[] = { 0, 5, 50, 95, 100 };
	uint64_t through = one_in(2) ? random_below(100) : some[random_below(sizeof some / sizeof some[0])];
	size_t written = 0, torn = 0, names = names_count(), undone;

	for (size_t i = 0; i < n_dirty; i++) {
		const struct block *block = dirty[i];
		bool may_tear = block->file->kind != KIND_PAGES || tears;

		if (random_below(100) < through) {
			platter_write(block->file, block->index, block->bytes);
			written++;
		} else if (may_tear && one_in(3)) {
			tear(block);
			torn++;
		}
	}
	for (const struct disk_file *file = files; file != NULL; file = file->next)
		size_lose(file);
	undone = one_in(3) ? names : random_below(names + 1);
	names_undo(undone);
	cut_note(written, torn, undone);
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* An operation: before it, or behind it, the power may go. */
static void tick(void)
{
	if (++operations != cut_at)
		return;
	if (!is_calm())
		cut();
	cut_at += 1 + random_below(2 * (uint64_t)cut_mean);
}

/* --- operations --- */

/* A change of names; its number. Behind it the power goes soon, now and then: such moments are delicate, and rare. */
static uint64_t name_changes(enum name_change what, const char *path, const char *to, bool kept)
{
	if (cut_at != 0 && one_in(NAMES_ONE_IN))
		cut_at = operations + 1 + random_below(NAMES_OPERATIONS);
	return names_add(what, path, to, kept);
}

struct disk_file *disk_open(int fd, bool created)
{
	char link[64], path[PATH_MAX];
	struct disk_file *file;
	struct stat st;
	ssize_t n;

	if (dir == NULL)
		return NULL;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	if (n <= 0 || fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return NULL;
	path[n] = '\0';
	if (!is_below(path, real_dir))
		return NULL;
	pthread_mutex_lock(&lock);
	if (life == 0)
		life_begin();
	file = file_find(&st);
	if (file == NULL)
		file = file_new(path, &st);
	file->users++;
	if (created) {
		file->change = name_changes(NAME_CREATED, path, NULL, false);
		tick();
	}
	pthread_mutex_unlock(&lock);
	return file;
}

void disk_close(struct disk_file *file)
{
	pthread_mutex_lock(&lock);
	file->users--;
	file_free_if_idle(file);
	pthread_mutex_unlock(&lock);
}

/* The bytes of the blocks in memory over those from the platter. */
static void overlay(struct disk_file *file, unsigned char *bytes, size_t n, off_t at)
{
	for (off_t index = at / BLOCK; index * BLOCK < at + (off_t)n; index++) {
		const struct block *block = block_find(file, index);
		off_t from = index * BLOCK < at ? at : index * BLOCK;
		off_t to = (index + 1) * BLOCK > at + (off_t)n ? at + (off_t)n : (index + 1) * BLOCK;

		if (block != NULL)
			memcpy(bytes + (from - at), block->bytes + (from - index * BLOCK), (size_t)(to - from));
	}
}

ssize_t disk_read(struct disk_file *file, int fd, void *bytes, size_t n, off_t at)
{
	ssize_t done;

	pthread_mutex_lock(&lock);
	done = disk_real.pread(fd, bytes, n, at);
	if (done > 0 && file->n_dirty != 0)
		overlay(file, bytes, (size_t)done, at);
	pthread_mutex_unlock(&lock);
	return done;
}

static void some_by_themselves(void)
{
	if (n_dirty != 0 && one_in(WRITE_BACK_ONE_IN))
		write_back(dirty[random_below(n_dirty)]);
	while (n_dirty > DIRTY_MAX)
		write_back(dirty[random_below(n_dirty)]);
	if (one_in(JOURNAL_ONE_IN))
		names_settle(UINT64_MAX);
}

/* Recovery fills the rest of a log file with thousands of pieces of nothing: few of them count. */
static bool write_counts(const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != 0)
			return true;
	return one_in(ZEROS_ONE_IN);
}

ssize_t disk_write(struct disk_file *file, const void *bytes, size_t n, off_t at)
{
	const unsigned char *from = bytes;
	ssize_t done = (ssize_t)n;
	bool counts = write_counts(bytes, n);

	pthread_mutex_lock(&lock);
	if (counts)
		tick();
	if (at + (off_t)n > size_of(file) && disk_real.ftruncate(file->fd, at + (off_t)n) != 0)
		done = -1;
	for (size_t left = n; done >= 0 && left != 0;) {
		struct block *block = block_get(file, at / BLOCK);
		size_t in_block = (size_t)(at % BLOCK), piece = left < BLOCK - in_block ? left : BLOCK - in_block;

		memcpy(block->bytes + in_block, from, piece);
		block_set_dirty(block);
		from += piece;
		at += (off_t)piece;
		left -= piece;
	}
	if (counts)
		tick();
	some_by_themselves();
	pthread_mutex_unlock(&lock);
	return done;
}

int disk_truncate(struct disk_file *file, off_t size)
{
	int rc;

	pthread_mutex_lock(&lock);
	tick();
	for (size_t i = n_dirty; i-- > 0;)
		if (dirty[i]->file == file && (dirty[i]->index + 1) * BLOCK > size)
			write_back(dirty[i]);
	rc = disk_real.ftruncate(file->fd, size);
	if (rc == 0 && size < file->safe_size)
		file->safe_size = size;
	tick();
	pthread_mutex_unlock(&lock);
	return rc;
}

int disk_allocate(struct disk_file *file, off_t size)
{
	(void)file;
	(void)size;
	pthread_mutex_lock(&lock);
	tick();
	pthread_mutex_unlock(&lock);
	return 0;
}

/* A block as it is when the sync begins. */
struct taken {
	struct block *block;
	uint64_t written;
	unsigned char bytes[BLOCK];
};

static struct taken *take_dirty(struct disk_file *file, size_t *n)
{
	struct taken *taken = calloc(file->n_dirty + 1, sizeof *taken);

	if (taken == NULL)
		die("disk");
	*n = 0;
	for (size_t i = 0; i < n_dirty; i++) {
		if (dirty[i]->file != file)
			continue;
		taken[*n] = (struct taken){ .block = dirty[i], .written = dirty[i]->written };
		memcpy(taken[*n].bytes, dirty[i]->bytes, BLOCK);
		dirty[i]->syncs++;
		(*n)++;
	}
	return taken;
}

static void put_taken(struct taken *taken, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct block *block = taken[i].block;

		if (taken[i].written > block->on_platter) {
			platter_write(block->file, block->index, taken[i].bytes);
			block->on_platter = taken[i].written;
		}
		block->syncs--;
		if (block->on_platter == block->written)
			block_set_clean(block);
	}
	free(taken);
}

static void sleep_ms(long ms)
{
	const struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

/* Without the lock: the sync takes its time. */
static void take_time(void)
{
	if (delay_ms != 0)
		sleep_ms(delay_ms);
	while (hold != NULL && access(hold, F_OK) == 0)
		sleep_ms(HOLD_POLL_MS);
}

static bool is_lied_about(const struct disk_file *file)
{
	return lie != NULL && (strcmp(lie, "log") == 0 ? file->is_log :
			       strcmp(lie, "pages") == 0 && file->kind == KIND_PAGES);
}

int disk_sync(struct disk_file *file)
{
	uint64_t change;
	struct taken *taken;
	off_t size;
	size_t n;

	if (is_lied_about(file))
		return 0;
	pthread_mutex_lock(&lock);
	tick();
	file->users++;
	change = file->kind == KIND_DIRECTORY ? names_last() : file->change;
	size = size_of(file);
	taken = take_dirty(file, &n);
	pthread_mutex_unlock(&lock);
	take_time();
	pthread_mutex_lock(&lock);
	put_taken(taken, n);
	if (file->kind != KIND_DIRECTORY && size > file->safe_size)
		file->safe_size = size;
	names_settle(change);
	tick();
	file->users--;
	pthread_mutex_unlock(&lock);
	return 0;
}

int disk_unlink(const char *path)
{
	int rc;
	bool kept;

	pthread_mutex_lock(&lock);
	tick();
	kept = names_keep(path);
	rc = disk_real.unlink(path);
	if (rc == 0)
		name_changes(NAME_UNLINKED, path, NULL, kept);
	tick();
	pthread_mutex_unlock(&lock);
	return rc;
}

int disk_rename(const char *from, const char *to)
{
	struct disk_file *file;
	struct stat st;
	uint64_t change;
	bool kept;
	int rc;

	pthread_mutex_lock(&lock);
	tick();
	kept = names_keep(to);
	rc = disk_real.rename(from, to);
	if (rc == 0) {
		change = name_changes(NAME_RENAMED, from, to, kept);
		if (stat(to, &st) == 0 && (file = file_find(&st)) != NULL)
			file->change = change;
	}
	tick();
	pthread_mutex_unlock(&lock);
	return rc;
}

void disk_end(void)
{
	pthread_mutex_lock(&lock);
	while (n_dirty != 0)
		write_back(dirty[n_dirty - 1]);
	names_settle(UINT64_MAX);
	pthread_mutex_unlock(&lock);
}
