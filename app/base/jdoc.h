/*
 * jdoc.h - JSON that we must understand (request bodies, records, control
 * messages): read strictly, by json-c behind the scanner of jtext.h.
 *
 * The documents are json-c's and are released with json_object_put() by the
 * function that read them. Nothing here takes names from the outside to a file.
 */
#ifndef BASE_JDOC_H
#define BASE_JDOC_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/*
 * jdoc_read - the document TEXT holds, or NULL when it is no JSON (RFC 8259),
 * nests deeper than DEPTH, or names a member of any of its objects twice.
 */
json_object *jdoc_read(struct str text, int depth);

/* jdoc_text - DOC written without white space, copied into ARENA; .p NULL when it did not fit. */
struct str jdoc_text(json_object *doc, struct arena *arena);

/*
 * Members of an object, by name. False when OBJECT is no object, the member is
 * absent or of another type; *OUT is then untouched. Strings point into the
 * document and may hold NUL. An integer is one written without '.' or exponent
 * that fits 64 bits: json-c would silently clamp all others.
 */
bool jdoc_str(json_object *object, const char *name, struct str *out);
bool jdoc_i64(json_object *object, const char *name, int64_t *out);
bool jdoc_bool(json_object *object, const char *name, bool *out);
bool jdoc_array(json_object *object, const char *name, json_object **out);
bool jdoc_object(json_object *object, const char *name, json_object **out);

/* jdoc_has - whether the member is there, whatever its type (null too). */
bool jdoc_has(json_object *object, const char *name);

/* jdoc_add_str - OBJECT[name] = S. */
void jdoc_add_str(json_object *object, const char *name, struct str s);
void jdoc_add_i64(json_object *object, const char *name, int64_t value);
void jdoc_add_bool(json_object *object, const char *name, bool value);

#endif
