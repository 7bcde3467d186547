/*
 * admin.h - what the files of the administration share: one command under way.
 */
#ifndef SERVE_ADMIN_H
#define SERVE_ADMIN_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "call.h"
#include "project/project.h"

/* A command gets one, and fills `result`; or fails with admin_fail(). Of the control thread. */
struct admin {
	const struct app *app;
	struct arena *arena;
	json_object *args;
	json_object *result;		/* an empty object at first */
	struct str detail;
	char project[PROJECT_ID_LEN + 1];	/* the one it is about, for the log; "" = none */
	int64_t now;			/* seconds since 1970 */
	int64_t peer_pid, peer_uid;	/* who asks, as the kernel says */
	bool upgrades;			/* behind the answer the connection speaks FastCGI */
	int *passed_fd;			/* as in struct admin_answer */
	struct backup_job *job;		/* likewise */
	bool failed;			/* there was no memory for a part of the result */
};

typedef enum rc admin_command(struct admin *admin);

admin_command admin_project_create, admin_project_list, admin_project_show, admin_project_rename;
admin_command admin_project_disable, admin_project_enable, admin_project_delete, admin_project_limit;
admin_command admin_project_origins, admin_audit_list, admin_top;
admin_command admin_key_create, admin_key_list, admin_key_revoke;
admin_command admin_rules_set, admin_rules_show, admin_rules_test;
admin_command admin_bot_list, admin_bot_add, admin_bot_set, admin_bot_retire, admin_bot_remove;
admin_command admin_revoke, admin_revoke_list;
admin_command admin_signing_key_list, admin_signing_key_rotate, admin_signing_key_remove, admin_project_signing;
admin_command admin_admin_key_create, admin_admin_key_list, admin_admin_key_revoke;

/* admin_fail - RC, with a sentence for whoever asked. */
enum rc admin_fail(struct admin *admin, enum rc rc, const char *format, ...)
	__attribute__((format(printf, 3, 4))) MUST_USE;

/* admin_arg - the argument NAME, which must be there and a string. */
enum rc admin_arg(struct admin *admin, const char *name, struct str *value) MUST_USE;

/* admin_arg_i64 - the argument NAME, MIN <= it <= MAX; VALUE stays as it is when it is absent. */
enum rc admin_arg_i64(struct admin *admin, const char *name, int64_t min, int64_t max, int64_t *value) MUST_USE;

/* admin_knows_only - RC_BAD_REQUEST when OBJECT has a member that is none of the words in NAMES. */
enum rc admin_knows_only(struct admin *admin, json_object *object, const char *names) MUST_USE;

/* admin_find - the project that the argument "project" names. project_unref() it. */
enum rc admin_find(struct admin *admin, const struct project **project) MUST_USE;

/* admin_read_bots - those of the argument "bots" (absent: none), behind the *N of BOTS, which has room for PROJECT_BOTS_MAX. */
enum rc admin_read_bots(struct admin *admin, struct bot *bots, size_t *n) MUST_USE;

/* admin_answer_project - the result is the project of this id, as it is now. */
enum rc admin_answer_project(struct admin *admin, struct str id) MUST_USE;

/* admin_put_origins - the member "origins" of a project; an empty array: any. */
void admin_put_origins(struct admin *admin, json_object *object, const struct project *project);

/* What the result is made of. Without memory `failed` is set, and the result is not sent. */
void admin_put(struct admin *admin, json_object *object, const char *name, json_object *value);
void admin_put_str(struct admin *admin, json_object *object, const char *name, struct str value);
void admin_put_i64(struct admin *admin, json_object *object, const char *name, int64_t value);
void admin_put_bool(struct admin *admin, json_object *object, const char *name, bool value);

/* admin_put_object - a new object; _array - a new array; _append - a new object at the end of ARRAY; _append_str - VALUE. */
json_object *admin_put_object(struct admin *admin, json_object *object, const char *name);
json_object *admin_put_array(struct admin *admin, json_object *object, const char *name);
json_object *admin_append(struct admin *admin, json_object *array);
void admin_append_str(struct admin *admin, json_object *array, struct str value);
void admin_append_i64(struct admin *admin, json_object *array, int64_t value);

/* admin_put_bot - BOT, without its secrets, at the end of ARRAY. admin_put_signing - "signing": which keys sign for PROJECT. */
void admin_put_bot(struct admin *admin, json_object *array, const struct bot *bot);
void admin_put_signing(struct admin *admin, json_object *object, const struct project *project);

#endif
