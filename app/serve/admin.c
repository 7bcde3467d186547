/*
 * admin.c - the table of what the control socket can do, and the commands about the
 * server as a whole. Those about projects and keys are in admin_project.c and admin_key.c.
 *
 * Runs in the control thread, which may block.
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/initdata.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/jdoc.h"
#include "base/log.h"
#include "base/metric.h"
#include "doors/doors.h"
#include "serve/admin.h"
#include "serve/backup.h"
#include "serve/control.h"
#include "store/store.h"

/* A sentence that quotes what somebody sent stays one. */
enum { DETAIL_MAX = 500 };

/* --- for all commands --- */

enum rc admin_fail(struct admin *admin, enum rc rc, const char *format, ...)
{
	char text[DETAIL_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	admin->detail = arena_dup(admin->arena, str_c(text));
	if (!str_is_utf8(admin->detail))
		admin->detail = str_make(NULL, 0);
	return rc;
}

enum rc admin_arg(struct admin *admin, const char *name, struct str *value)
{
	if (jdoc_str(admin->args, name, value))
		return RC_OK;
	return admin_fail(admin, RC_BAD_REQUEST, "%s: a string is needed", name);
}

enum rc admin_arg_i64(struct admin *admin, const char *name, int64_t min, int64_t max, int64_t *value)
{
	int64_t number;

	if (!jdoc_has(admin->args, name))
		return RC_OK;
	if (!jdoc_i64(admin->args, name, &number) || number < min || number > max)
		return admin_fail(admin, RC_BAD_REQUEST, "%s: a whole number from %" PRId64 " to %" PRId64
				  " is needed", name, min, max);
	*value = number;
	return RC_OK;
}

static bool is_among(struct str word, struct str words)
{
	while (words.n != 0) {
		struct str head;

		str_cut(words, ' ', &head, &words);
		if (str_eq(head, word))
			return true;
	}
	return false;
}

enum rc admin_knows_only(struct admin *admin, json_object *object, const char *names)
{
	if (object == NULL)
		return RC_OK;
	json_object_object_foreach(object, name, value) {
		(void)value;
		if (!is_among(str_c(name), str_c(names)))
			return admin_fail(admin, RC_BAD_REQUEST, "%.64s: this tmakvd knows no such argument here",
					  name);
	}
	return RC_OK;
}

enum rc admin_find(struct admin *admin, const struct project **project)
{
	struct str any;
	enum rc rc;

	if ((rc = admin_arg(admin, "project", &any)) != RC_OK)
		return rc;
	*project = registry_find(admin->app->registry, any);
	if (*project == NULL)
		return admin_fail(admin, RC_KEY_NOT_FOUND, "there is no project '%.*s'", STR(any));
	memcpy(admin->project, (*project)->id, sizeof admin->project);
	return RC_OK;
}

/* What could not be added is released here. */
void admin_put(struct admin *admin, json_object *object, const char *name, json_object *value)
{
	if (object != NULL && value != NULL && json_object_object_add(object, name, value) == 0)
		return;
	json_object_put(value);
	admin->failed = true;
}

void admin_put_str(struct admin *admin, json_object *object, const char *name, struct str value)
{
	if (object == NULL || !jdoc_add_str(object, name, value))
		admin->failed = true;
}

void admin_put_i64(struct admin *admin, json_object *object, const char *name, int64_t value)
{
	if (object == NULL || !jdoc_add_i64(object, name, value))
		admin->failed = true;
}

void admin_put_bool(struct admin *admin, json_object *object, const char *name, bool value)
{
	if (object == NULL || !jdoc_add_bool(object, name, value))
		admin->failed = true;
}

json_object *admin_put_object(struct admin *admin, json_object *object, const char *name)
{
	json_object *value = json_object_new_object();

	admin_put(admin, object, name, value);
	return admin->failed ? NULL : value;
}

json_object *admin_put_array(struct admin *admin, json_object *object, const char *name)
{
	json_object *value = json_object_new_array();

	admin_put(admin, object, name, value);
	return admin->failed ? NULL : value;
}

/* VALUE is ARRAY's from now on, or gone; then NULL. */
static json_object *append(struct admin *admin, json_object *array, json_object *value)
{
	if (array != NULL && value != NULL && json_object_array_add(array, value) == 0)
		return value;
	json_object_put(value);
	admin->failed = true;
	return NULL;
}

json_object *admin_append(struct admin *admin, json_object *array)
{
	return append(admin, array, json_object_new_object());
}

void admin_append_str(struct admin *admin, json_object *array, struct str value)
{
	append(admin, array, json_object_new_string_len(value.p, (int)value.n));
}

void admin_append_i64(struct admin *admin, json_object *array, int64_t value)
{
	append(admin, array, json_object_new_int64(value));
}

/* --- status --- */

static void put_settings(struct admin *admin)
{
	const struct conf *conf = admin->app->conf;
	json_object *object = admin_put_object(admin, admin->result, "settings");

	admin_put_str(admin, object, "data_dir", str_c(conf->data_dir));
	admin_put_str(admin, object, "log_dir", str_c(conf->log_dir));
	admin_put_str(admin, object, "listen", str_c(conf->listen));
	admin_put_str(admin, object, "control", str_c(conf->control));
	admin_put_i64(admin, object, "workers", conf->workers);
	admin_put_i64(admin, object, "slow_threads", conf->slow_threads);
	admin_put_i64(admin, object, "connections", conf->connections);
	admin_put_i64(admin, object, "cache_size", conf->cache_size);
	admin_put_i64(admin, object, "value_limit", conf->value_limit);
	admin_put_i64(admin, object, "write_limit", conf->write_limit);
	admin_put_i64(admin, object, "init_data_age_s", conf->init_data_age_s);
	admin_put_i64(admin, object, "token_life_s", conf->token_life_s);
	admin_put_str(admin, object, "issuer", str_c(conf->issuer));
	admin_put_str(admin, object, "log_level", str_c(conf->log_level));
}

static void put_store(struct admin *admin)
{
	json_object *object = admin_put_object(admin, admin->result, "store");
	struct store_sizes sizes = store_read_sizes(admin->app->store);
	struct store_status status;

	store_read_status(admin->app->store, &status);
	admin_put_bool(admin, object, "full", status.full);
	admin_put_i64(admin, object, "free_bytes", (int64_t)status.free_bytes);
	admin_put_i64(admin, object, "queued", (int64_t)status.queued);
	admin_put_i64(admin, object, "last_checkpoint_at", status.last_checkpoint_at);
	admin_put_i64(admin, object, "log_bytes_since_checkpoint", (int64_t)status.log_bytes_since_checkpoint);
	admin_put_i64(admin, object, "data_bytes", (int64_t)sizes.data_bytes);
	admin_put_i64(admin, object, "log_bytes", (int64_t)sizes.log_bytes);
	admin_put_i64(admin, object, "recoveries", (int64_t)status.recoveries);
	admin_put_i64(admin, object, "cache_hits", (int64_t)status.cache_hits);
	admin_put_i64(admin, object, "cache_misses", (int64_t)status.cache_misses);
	admin_put_i64(admin, object, "last_backup_at", store_last_backup_at(admin->app->store));
}

static void put_metrics(struct admin *admin)
{
	json_object *object = admin_put_object(admin, admin->result, "metrics");

	for (enum metric metric = 0; metric < METRIC__COUNT; metric++)
		admin_put_i64(admin, object, metric_name(metric), (int64_t)metric_sum(metric));
}

static void count_project(const struct project *project, void *arg)
{
	int64_t *n = arg;

	(void)project;
	(*n)++;
}

static enum rc status(struct admin *admin)
{
	int64_t uptime_s = (int64_t)(control_uptime_us() / 1000000), projects = 0;

	registry_each_project(admin->app->registry, count_project, &projects);
	admin_put_str(admin, admin->result, "version", str_c(PACKAGE_VERSION));
	admin_put_str(admin, admin->result, "account_id", str_c(registry_account(admin->app->registry)));
	admin_put_i64(admin, admin->result, "pid", getpid());
	admin_put_i64(admin, admin->result, "started_at", admin->now - uptime_s);
	admin_put_i64(admin, admin->result, "uptime_s", uptime_s);
	admin_put_i64(admin, admin->result, "projects", projects);
	put_settings(admin);
	put_store(admin);
	put_metrics(admin);
	return RC_OK;
}

/* The same text as on the operator door. */
static enum rc metrics(struct admin *admin)
{
	struct buf text;
	enum rc rc;

	buf_init(&text, admin->arena, METRICS_SIZE_MAX);
	rc = metrics_write(admin->app, admin->arena, &text);
	if (rc == RC_OK)
		admin_put_str(admin, admin->result, "text", buf_str(&text));
	return rc;
}

/* --- kv.open --- */

/* What is asked for is done behind the answer, by control.c: keys and values do not pass through here. */
static enum rc kv_open_connection(struct admin *admin)
{
	admin_put_str(admin, admin->result, "account_id", str_c(registry_account(admin->app->registry)));
	admin->upgrades = true;
	return RC_OK;
}

/* --- backup --- */

static enum rc backup(struct admin *admin)
{
	struct stat st;
	enum rc rc;

	if (admin->passed_fd == NULL || *admin->passed_fd < 0 || fstat(*admin->passed_fd, &st) != 0 || !S_ISDIR(st.st_mode))
		return admin_fail(admin, RC_BAD_REQUEST, "the descriptor of a directory must come with this command");
	rc = backup_start(admin->app->store, registry_account(admin->app->registry), *admin->passed_fd, &admin->job);
	if (rc == RC_UNAVAILABLE)
		return admin_fail(admin, rc, "another backup is under way: try again when it is done");
	if (rc == RC_OK)
		*admin->passed_fd = -1;
	return rc;
}

/* It was checked and has its name: so old is the newest backup. */
static enum rc backup_done(struct admin *admin)
{
	int64_t at = 0;
	char text[24];
	enum rc rc;

	if ((rc = admin_arg_i64(admin, "at", 0, INT64_MAX / 2, &at)) != RC_OK)
		return rc;
	snprintf(text, sizeof text, "%" PRId64, at);
	return store_meta_write(admin->app->store, STORE_LAST_BACKUP, str_c(text));
}

/* --- check-initdata --- */

/* How a sign-in would end. */
struct verdict {
	const char *reason, *explain;
	struct initdata_user user;	/* known when the initData itself is good */
	bool is_genuine;
};

/* The steps that initdata_check() takes, and those behind it that need to know the project. */
static struct verdict judge(struct admin *admin, const struct project *project, struct str init_data,
			    int64_t max_age_s)
{
	const struct initdata_check check = {
		.bots = project->bots, .n_bots = project->n_bots,
		.now = admin->now, .max_age_s = max_age_s
	};
	struct verdict verdict = { .reason = NULL };
	enum initdata_reason reason = initdata_check(init_data, &check, admin->arena, &verdict.user);

	verdict.reason = initdata_word(reason);
	verdict.explain = initdata_explain(reason);
	if (reason != INITDATA_OK) {
		if (project->n_bots == 0)
			verdict.explain = "this project has no bot, so nobody can sign in to it";
		return verdict;
	}
	verdict.is_genuine = true;
	if (verdict.user.auth_date < project->not_before ||
	    verdict.user.auth_date < registry_not_before(admin->app->registry, project->number,
							 verdict.user.telegram_id)) {
		verdict.reason = "revoked";
		verdict.explain = "genuine, but from before the user's or the project's sign-ins were revoked";
	} else if (project->state != PROJECT_ACTIVE) {
		verdict.reason = "project_disabled";
		verdict.explain = "genuine, but the project is disabled";
	}
	return verdict;
}

static enum rc check_initdata(struct admin *admin)
{
	const struct project *project;
	struct verdict verdict;
	struct str init_data;
	int64_t max_age_s;
	enum rc rc;

	if ((rc = admin_arg(admin, "init_data", &init_data)) != RC_OK ||
	    (rc = admin_arg_i64(admin, "now", 0, INT64_MAX / 2, &admin->now)) != RC_OK ||
	    (rc = admin_find(admin, &project)) != RC_OK)
		return rc;
	max_age_s = project->init_data_age_s;
	rc = admin_arg_i64(admin, "max_age", 0, INT64_MAX / 2, &max_age_s);
	if (rc == RC_OK) {
		verdict = judge(admin, project, init_data, max_age_s);
		admin_put_bool(admin, admin->result, "accept", strcmp(verdict.reason, "ok") == 0);
		admin_put_str(admin, admin->result, "reason", str_c(verdict.reason));
		admin_put_str(admin, admin->result, "explain", str_c(verdict.explain));
	}
	if (rc == RC_OK && verdict.is_genuine) {
		admin_put_i64(admin, admin->result, "user", (int64_t)verdict.user.telegram_id);
		admin_put_str(admin, admin->result, "first_name", verdict.user.first_name);
		admin_put_str(admin, admin->result, "last_name", verdict.user.last_name);
		admin_put_str(admin, admin->result, "username", verdict.user.username);
		admin_put_i64(admin, admin->result, "auth_date", verdict.user.auth_date);
	}
	project_unref(project);
	return rc;
}

/* --- the table --- */

static const struct {
	const char *name;
	admin_command *run;
	const char *args;	/* all that it knows */
	bool changes;		/* something, so the log says so */
} commands[] = {
	{ "project.create",   admin_project_create,    "name bots",                                  true },
	{ "project.list",     admin_project_list,      "",                                           false },
	{ "project.show",     admin_project_show,      "project user",                               false },
	{ "project.rename",   admin_project_rename,    "project name",                               true },
	{ "project.disable",  admin_project_disable,   "project",                                    true },
	{ "project.enable",   admin_project_enable,    "project",                                    true },
	{ "project.limit",    admin_project_limit,     "project value_limit write_limit min_ttl_s max_keys max_bytes "
						"user_max_keys user_max_bytes user_rate",      true },
	{ "project.origins",  admin_project_origins,   "project add remove any",                     true },
	{ "project.delete",   admin_project_delete,    "project",                                    true },
	{ "rules.set",        admin_rules_set,         "project rules",                              true },
	{ "rules.show",       admin_rules_show,        "project",                                    false },
	{ "rules.test",       admin_rules_test,        "project user operation key bytes",           false },
	{ "project.signing",  admin_project_signing,   "project signing",                            true },
	{ "bot.list",         admin_bot_list,          "project",                                    false },
	{ "bot.add",          admin_bot_add,           "project bots",                               true },
	{ "bot.set",          admin_bot_set,           "project bots",                               true },
	{ "bot.retire",       admin_bot_retire,        "project bot",                                true },
	{ "bot.remove",       admin_bot_remove,        "project bot",                                true },
	{ "revoke",           admin_revoke,            "project user",                               true },
	{ "revoke.list",      admin_revoke_list,       "project",                                    false },
	{ "signing-key.list", admin_signing_key_list,  "project",                                    false },
	{ "signing-key.rotate", admin_signing_key_rotate, "project at_once",                         true },
	{ "signing-key.remove", admin_signing_key_remove, "kid",                                     true },
	{ "key.create",       admin_key_create,        "project name right expires_at expires_in_s", true },
	{ "key.list",         admin_key_list,          "project",                                    false },
	{ "key.revoke",       admin_key_revoke,        "project id",                                 true },
	{ "admin-key.create", admin_admin_key_create,  "name expires_at expires_in_s",               true },
	{ "admin-key.list",   admin_admin_key_list,    "",                                           false },
	{ "admin-key.revoke", admin_admin_key_revoke,  "id",                                         true },
	{ "backup",           backup,                  "",                                           true },
	{ "backup.done",      backup_done,             "at",                                         true },
	{ "kv.open",          kv_open_connection,      "",                                           true },
	{ "audit.list",       admin_audit_list,        "project since limit",                        false },
	{ "status",           status,                  "",                                           false },
	{ "metrics",          metrics,                 "",                                           false },
	{ "top",              admin_top,               "project",                                    false },
	{ "check-initdata",   check_initdata,          "project init_data now max_age",              false },
};

/* The id of the project that the argument names, as far as it can be told before the command runs; else "". */
static void project_in_advance(struct admin *admin, char id[PROJECT_ID_LEN + 1])
{
	const struct project *project = NULL;
	struct str any;

	id[0] = '\0';
	if (jdoc_str(admin->args, "project", &any))
		project = registry_find(admin->app->registry, any);
	if (project != NULL)
		memcpy(id, project->id, PROJECT_ID_LEN + 1);
	project_unref(project);
}

/* Before anything is done. */
static enum rc audit_row(struct admin *admin, size_t row, struct audit *audit)
{
	const struct audit_from from = { .pid = admin->peer_pid, .uid = admin->peer_uid };
	char id[PROJECT_ID_LEN + 1];
	enum rc rc;

	project_in_advance(admin, id);
	rc = audit_begin(audit, admin->app->store, &from, commands[row].name, id, admin->args);
	return rc == RC_OK || rc == RC_STORE ? rc :
		admin_fail(admin, rc, "nothing was done, because the audit log cannot be written: %s", rc_info(rc)->text);
}

/* A backup has only begun: its line is completed with it. */
static enum rc audit_row_end(const struct admin *admin, enum rc rc, struct audit *audit)
{
	if (rc == RC_OK && admin->job != NULL)
		return rc;
	return audit_end(audit, admin->project, rc);
}

static enum rc run_row(struct admin *admin, size_t row, struct audit *audit)
{
	enum rc rc = admin_knows_only(admin, admin->args, commands[row].args);

	if (rc == RC_OK && commands[row].changes)
		rc = audit_row(admin, row, audit);
	if (rc == RC_OK)
		rc = commands[row].run(admin);
	if (rc == RC_OK && admin->failed)
		rc = RC_NO_MEMORY;
	rc = audit_row_end(admin, rc, audit);
	if (commands[row].changes)
		LOG_INFO("administration", LOG_STR("command", commands[row].name),
			 LOG_STR("project", admin->project), LOG_STR("outcome", rc_info(rc)->code));
	return rc;
}

enum rc admin_run(const struct app *app, struct str command, json_object *args,
		  struct arena *arena, struct admin_answer *answer)
{
	struct admin admin = {
		.app = app, .arena = arena, .args = args, .now = clock_wall_s(), .passed_fd = answer->passed_fd,
		.peer_pid = answer->peer_pid, .peer_uid = answer->peer_uid
	};
	size_t row = 0;
	enum rc rc;

	while (row < sizeof commands / sizeof commands[0] && !str_eq(command, str_c(commands[row].name)))
		row++;
	if (row == sizeof commands / sizeof commands[0])
		rc = admin_fail(&admin, RC_NO_SUCH_ROUTE, "this tmakvd knows no command '%.*s'", STR(command));
	else if ((admin.result = json_object_new_object()) == NULL)
		rc = RC_NO_MEMORY;
	else
		rc = run_row(&admin, row, &answer->audit);
	if (rc == RC_OK) {
		answer->result = admin.result;
		answer->upgrades = admin.upgrades;
		answer->job = admin.job;
		return RC_OK;
	}
	json_object_put(admin.result);
	answer->detail = admin.detail;
	return rc;
}
