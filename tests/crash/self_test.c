/*
 * self_test.c - is the checker any good? Records as the load writes them, with a fault planted in each.
 *
 * A record is a few lines of text. The good ones must pass, with lost connections and all; of the others
 * the fault that was planted must be found, and no other.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "crash_check.h"

enum { NO_FAULT = -1 };

/*     start end what key writer.number status version writes ttl torn */
static const struct {
	const char *name;
	int fault;
	size_t unknown;
	const char *record;
} cases[] = {
	{ "a counter, read and restarted", NO_FAULT, 0,
	  "10 20 put c 1.1 200 100 1 0 0\n"
	  "30 40 put c 1.2 200 101 2 0 0\n"
	  "35 50 get c 1.1 200 100 1 0 0\n"
	  "41 45 get c 1.2 200 101 2 0 0\n"
	  "60 70 put c 1.3 200 110 3 0 0\n"
	  "90 95 get c 1.3 200 110 3 0 0\n" },
	{ "a key that comes and goes", NO_FAULT, 0,
	  "10 20 put k 1.1 200 100 1 0 0\n"
	  "25 26 listed k 0.0 200 0 0 0 0\n"
	  "30 60 delete k 0.0 200 0 0 0 0\n"
	  "40 50 get k 1.1 200 100 1 0 0\n"
	  "45 55 get k 0.0 404 0 0 0 0\n"
	  "61 62 unlisted k 0.0 200 0 0 0 0\n"
	  "70 80 put k 1.2 200 120 1 0 0\n"
	  "90 95 get k 1.2 200 120 1 0 0\n" },
	{ "a lost answer whose write happened", NO_FAULT, 0,
	  "10 20 put c 1.1 200 100 1 0 0\n"
	  "30 40 put c 1.2 0 0 0 0 0\n"
	  "50 60 get c 1.2 200 105 2 0 0\n"
	  "70 80 put c 1.3 200 110 3 0 0\n" },
	{ "a lost answer that only the counter tells of", NO_FAULT, 0,
	  "10 20 put c 1.1 200 100 1 0 0\n"
	  "30 40 put c 1.2 502 0 0 0 0\n"
	  "70 80 put c 1.3 200 110 3 0 0\n" },
	{ "a lost answer whose write never happened", NO_FAULT, 1,
	  "10 20 put c 1.1 200 100 1 0 0\n"
	  "30 40 put c 1.2 0 0 0 0 0\n"
	  "70 80 put c 1.3 200 110 2 0 0\n"
	  "90 95 get c 1.3 200 110 2 0 0\n" },
	{ "a delete without an answer", NO_FAULT, 0,
	  "10 20 put k 1.1 200 100 1 0 0\n"
	  "30 40 delete k 0.0 0 0 0 0 0\n"
	  "50 60 get k 1.1 200 100 1 0 0\n"
	  "70 80 get k 0.0 404 0 0 0 0\n" },
	{ "a client who left", NO_FAULT, 1,
	  "10 20 put k 1.1 -1 0 0 0 0\n"
	  "30 40 get k 0.0 404 0 0 0 0\n" },
	{ "a time to live that is over", NO_FAULT, 0,
	  "1000000 1000020 put k 1.1 200 100 1 2 0\n"
	  "1500000 1500020 get k 1.1 200 100 1 0 0\n"
	  "3100000 3100020 get k 0.0 404 0 0 0 0\n" },
	{ "writes that were refused", NO_FAULT, 0,
	  "10 20 put k 1.1 200 100 1 0 0\n"
	  "30 40 put k 1.2 429 0 0 0 0\n"
	  "50 60 put k 1.3 200 110 2 0 0\n" },

	{ "a bulk call, seen and counted", NO_FAULT, 0,
	  "10 20 put b 1.1 200 100 1 0 0\n"
	  "30 40 bulk-put b 2.1 200 0 0 0 0\n"
	  "50 60 get b 2.1 200 105 2 0 0\n"
	  "70 80 put b 1.2 200 110 3 0 0\n"
	  "90 95 bulk-delete b 0.0 200 0 0 0 0\n"
	  "96 97 get b 0.0 404 0 0 0 0\n" },
	{ "a bulk call that only the counter tells of", NO_FAULT, 0,
	  "10 20 put b 1.1 200 100 1 0 0\n"
	  "30 40 bulk-put b 2.1 200 0 0 0 0\n"
	  "70 80 put b 1.2 200 110 3 0 0\n" },
	{ "a bulk call that a delete took away unseen", NO_FAULT, 0,
	  "30 40 bulk-put b 2.1 200 0 0 0 0\n"
	  "50 60 bulk-delete b 0.0 200 0 0 0 0\n"
	  "70 80 put b 1.2 200 110 1 0 0\n" },
	{ "a bulk call without an answer, of which this item never happened", NO_FAULT, 1,
	  "10 20 put b 1.1 200 100 1 0 0\n"
	  "30 40 bulk-put b 2.1 502 0 0 0 0\n"
	  "50 60 get b 1.1 200 100 1 0 0\n"
	  "70 80 put b 1.2 200 110 2 0 0\n" },
	{ "a bulk call without an answer, of which this item happened", NO_FAULT, 0,
	  "10 20 bulk-put b 2.1 0 0 0 0 0\n"
	  "30 40 bulk-delete b 0.0 0 0 0 0 0\n"
	  "50 60 get b 2.1 200 105 1 0 0\n"
	  "70 80 get b 0.0 404 0 0 0 0\n" },
	{ "a read while a bulk call is under way", NO_FAULT, 0,
	  "10 20 put b 1.1 200 100 1 0 0\n"
	  "30 90 bulk-put b 2.1 200 0 0 0 0\n"
	  "40 50 get b 1.1 200 100 1 0 0\n"
	  "60 70 get b 2.1 200 105 2 0 0\n" },

	{ "an acknowledged write that is gone", FAULT_LOST, 0,
	  "10 20 put d 1.1 200 100 1 0 0\n"
	  "50 60 get d 0.0 404 0 0 0 0\n" },
	{ "an acknowledged write that the list has not", FAULT_LOST, 0,
	  "10 20 put d 1.1 200 100 1 0 0\n"
	  "50 60 unlisted d 0.0 200 0 0 0 0\n" },
	{ "an acknowledged write that an older one covers", FAULT_WENT_BACK, 0,
	  "10 20 put c 1.1 200 100 1 0 0\n"
	  "30 40 put c 1.2 200 101 2 0 0\n"
	  "50 60 get c 1.1 200 100 1 0 0\n" },
	{ "a value that was shown and never acknowledged, gone", FAULT_WENT_BACK, 0,
	  "10 20 put c 1.1 200 100 1 0 0\n"
	  "30 90 put c 1.2 0 0 0 0 0\n"
	  "40 50 get c 1.2 200 105 2 0 0\n"
	  "60 70 get c 1.1 200 100 1 0 0\n" },
	{ "a new key that was shown and never acknowledged, gone", FAULT_LOST, 0,
	  "30 90 put d 1.2 0 0 0 0 0\n"
	  "40 50 get d 1.2 200 105 1 0 0\n"
	  "60 70 get d 0.0 404 0 0 0 0\n" },
	{ "a new key that was listed and never acknowledged, gone", FAULT_LOST, 1,
	  "30 90 put d 1.2 0 0 0 0 0\n"
	  "40 50 listed d 0.0 200 0 0 0 0\n"
	  "60 70 unlisted d 0.0 200 0 0 0 0\n" },
	{ "a write below what had been shown before it", FAULT_WENT_BACK, 0,
	  "10 90 put c 1.1 200 105 2 0 0\n"
	  "20 30 get c 1.1 200 105 2 0 0\n"
	  "40 50 put c 2.1 200 104 1 0 0\n" },
	{ "a delete that a crash took back", FAULT_CAME_BACK, 0,
	  "10 20 put k 1.1 200 100 1 0 0\n"
	  "30 40 delete k 0.0 200 0 0 0 0\n"
	  "50 60 get k 1.1 200 100 1 0 0\n" },
	{ "an absence that a crash took back", FAULT_CAME_BACK, 0,
	  "10 20 put k 1.1 200 100 1 0 0\n"
	  "30 90 delete k 0.0 0 0 0 0 0\n"
	  "40 50 get k 0.0 404 0 0 0 0\n"
	  "60 70 get k 1.1 200 100 1 0 0\n" },
	{ "a listed key that had been deleted", FAULT_CAME_BACK, 0,
	  "10 20 put k 1.1 200 100 1 0 0\n"
	  "30 40 delete k 0.0 200 0 0 0 0\n"
	  "50 60 listed k 0.0 200 0 0 0 0\n" },
	{ "a write that was counted twice", FAULT_COUNTED, 0,
	  "10 20 put c 1.1 200 100 1 0 0\n"
	  "30 40 put c 1.2 200 105 3 0 0\n" },
	{ "a lost answer that was counted twice", FAULT_COUNTED, 1,
	  "10 20 put c 1.1 200 100 1 0 0\n"
	  "30 40 put c 1.2 0 0 0 0 0\n"
	  "70 80 put c 1.3 200 110 4 0 0\n" },
	{ "a counter that a crash took back", FAULT_COUNTED, 0,
	  "10 20 put c 1.1 200 100 1 0 0\n"
	  "30 40 put c 1.2 200 105 1 0 0\n" },
	{ "a counter that went on over a delete", FAULT_COUNTED, 0,
	  "10 20 put k 1.1 200 100 1 0 0\n"
	  "30 40 delete k 0.0 200 0 0 0 0\n"
	  "50 60 put k 1.2 200 110 2 0 0\n" },
	{ "a write that nginx repeated and that happened twice", FAULT_TWICE, 0,
	  "10 90 put c 1.1 200 120 1 0 0\n"
	  "20 30 get c 1.1 200 100 1 0 0\n" },
	{ "a value that nobody wrote", FAULT_INVENTED, 0,
	  "10 20 put k 1.1 200 100 1 0 0\n"
	  "30 40 get k 9.9 200 105 2 0 0\n" },
	{ "a refused write that is there", FAULT_INVENTED, 0,
	  "10 20 put k 1.1 429 0 0 0 0\n"
	  "30 40 get k 1.1 200 105 1 0 0\n" },
	{ "half a value", FAULT_TORN, 0,
	  "10 20 put k 1.1 200 100 1 0 0\n"
	  "30 40 get k 1.1 200 100 1 0 1\n" },
	{ "a value after its time", FAULT_EXPIRED, 0,
	  "1000000 1000020 put k 1.1 200 100 1 2 0\n"
	  "4100000 4100020 get k 1.1 200 100 1 0 0\n" },
	{ "a value gone before its time", FAULT_LOST, 0,
	  "1000000 1000020 put k 1.1 200 100 1 9 0\n"
	  "4100000 4100020 get k 0.0 404 0 0 0 0\n" },
	{ "an item of an acknowledged bulk call that is gone", FAULT_LOST, 0,
	  "10 20 bulk-put b 1.1 200 0 0 0 0\n"
	  "50 60 get b 0.0 404 0 0 0 0\n" },
	{ "an item of an acknowledged bulk call that the list has not", FAULT_LOST, 0,
	  "10 20 bulk-put b 1.1 200 0 0 0 0\n"
	  "50 60 unlisted b 0.0 200 0 0 0 0\n" },
	{ "an acknowledged bulk call behind which the old value is there", FAULT_WENT_BACK, 0,
	  "10 20 put b 1.1 200 100 1 0 0\n"
	  "30 40 bulk-put b 2.1 200 0 0 0 0\n"
	  "50 60 get b 1.1 200 100 1 0 0\n" },
	{ "a bulk call whose effect was shown and taken back", FAULT_WENT_BACK, 0,
	  "10 20 put b 1.1 200 100 1 0 0\n"
	  "30 40 bulk-put b 2.1 502 0 0 0 0\n"
	  "50 60 get b 2.1 200 105 2 0 0\n"
	  "70 80 get b 1.1 200 100 1 0 0\n" },
	{ "an item of an acknowledged bulk call that the next write did not find", FAULT_COUNTED, 0,
	  "10 20 put b 1.1 200 100 1 0 0\n"
	  "30 40 bulk-put b 2.1 200 0 0 0 0\n"
	  "50 60 put b 1.2 200 110 2 0 0\n" },
	{ "a bulk call that was counted twice", FAULT_COUNTED, 0,
	  "10 20 put b 1.1 200 100 1 0 0\n"
	  "30 40 bulk-put b 2.1 200 0 0 0 0\n"
	  "50 60 put b 1.2 200 110 4 0 0\n" },
	{ "a bulk call that was counted twice, among others", FAULT_COUNTED, 0,
	  "10 20 bulk-put b 2.1 200 0 0 0 0\n"
	  "30 40 put b 1.1 200 110 2 0 0\n"
	  "50 60 bulk-put b 2.2 200 0 0 0 0\n"
	  "70 80 put b 1.2 200 120 5 0 0\n"
	  "90 100 bulk-put b 2.3 200 0 0 0 0\n" },
	{ "a bulk call that nginx repeated and that happened twice", FAULT_TWICE, 0,
	  "10 90 bulk-put b 2.1 200 0 0 0 0\n"
	  "20 30 get b 2.1 200 100 1 0 0\n"
	  "95 99 get b 2.1 200 120 2 0 0\n" },
	{ "a key that a bulk call had deleted", FAULT_CAME_BACK, 0,
	  "10 20 put b 1.1 200 100 1 0 0\n"
	  "30 40 bulk-delete b 0.0 200 0 0 0 0\n"
	  "50 60 get b 1.1 200 100 1 0 0\n" },
	{ "an item of a refused bulk call that is there", FAULT_INVENTED, 0,
	  "10 20 bulk-put b 1.1 400 0 0 0 0\n"
	  "30 40 get b 1.1 200 105 1 0 0\n" },
};
enum { CASES = sizeof cases / sizeof cases[0] };

struct found {
	size_t n[FAULT__COUNT];
};

static void count(void *arg, enum fault fault, const struct event *event, const char *expected)
{
	struct found *found = arg;

	(void)event;
	(void)expected;
	found->n[fault]++;
}

static bool case_run(size_t i)
{
	FILE *file = fmemopen((void *)(uintptr_t)cases[i].record, strlen(cases[i].record), "r");
	struct events events = { NULL, 0, 0 };
	struct found found = { { 0 } };
	struct event event;
	size_t unknown;
	bool good = file != NULL;
	int rc = -1;

	while (good && (rc = event_read(file, &event)) == 1)
		events_add(&events, &event);
	good = good && rc == 0;
	if (file != NULL)
		fclose(file);
	events_sort(&events);
	unknown = check_all(&events, count, &found);
	good = good && unknown == cases[i].unknown;
	for (int fault = 0; fault < FAULT__COUNT; fault++)
		good = good && (found.n[fault] != 0) == (fault == cases[i].fault);
	if (!good) {
		printf("the checker fails at: %s (%zu unknown;", cases[i].name, unknown);
		for (int fault = 0; fault < FAULT__COUNT; fault++)
			if (found.n[fault] != 0)
				printf(" %s", fault_word((enum fault)fault));
		printf(")\n");
	}
	free(events.at);
	return good;
}

bool self_test(void)
{
	bool good = true, planted[FAULT__COUNT] = { false };

	for (size_t i = 0; i < CASES; i++) {
		good &= case_run(i);
		if (cases[i].fault != NO_FAULT)
			planted[cases[i].fault] = true;
	}
	for (int fault = 0; fault < FAULT__COUNT; fault++)
		good &= planted[fault];
	printf("self-test: %d records, %s\n", (int)CASES, good ? "each judged right" : "NOT all judged right");
	return good;
}
