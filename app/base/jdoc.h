/*
 * jdoc.h - JSON that we must understand (request bodies, records, control
 * messages): read strictly, behind the scanner of jtext.h, into json-c's documents.
 *
 * The documents are released with json_object_put() by the function that read
 * them. Nothing here takes names from the outside to a file.
 */
#ifndef BASE_JDOC_H
#define BASE_JDOC_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* One document may hold so many values, and so many arrays and objects among them: each costs far more than its text. */
enum { JDOC_VALUES = 2000000, JDOC_CONTAINERS = 250000 };

/*
 * jdoc_read - the document TEXT holds, or NULL when it is no JSON (RFC 8259),
 * nests arrays and objects deeper than DEPTH, names a member of any of its objects
 * twice (escapes resolved), has a name with a NUL, which json-c cannot hold, or has
 * more values than above; and when there is no memory. The document "null" is NULL
 * as well. Half a surrogate pair, written as an escape, becomes U+FFFD.
 */
json_object *jdoc_read(struct str text, int depth);

/* jdoc_lacked_memory - whether the jdoc_read() before, in this thread, answered NULL for want of memory. */
bool jdoc_lacked_memory(void);

/*
 * jdoc_text - DOC written without white space, in ARENA, with a NUL behind it; .p NULL
 * when it did not fit. A number that is no 64-bit integer keeps the text it was read from.
 */
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

/*
 * jdoc_add - OBJECT[name] = VALUE, which is OBJECT's from now on, or gone. False, and OBJECT as it was, when there is no
 * memory; OBJECT or VALUE is NULL when there was none for them. The others make the value.
 */
bool jdoc_add(json_object *object, const char *name, json_object *value);
bool jdoc_add_str(json_object *object, const char *name, struct str s);
bool jdoc_add_i64(json_object *object, const char *name, int64_t value);
bool jdoc_add_bool(json_object *object, const char *name, bool value);

#endif
