/*
 * cmd_metrics.c - tmakvctl metrics: what Prometheus would read.
 */
#include "config.h"

#include <stdio.h>

#include "ctl/ctl.h"

enum ctl_exit cmd_metrics(struct ctl *ctl)
{
	json_object *result;
	struct str text;
	enum ctl_exit exit = control_ask(ctl, "metrics", NULL, &result);

	if (exit != CTL_OK)
		return exit;
	text = ctl_get_str(result, "text");
	if (ctl->json)
		ctl_print_json(ctl, result);
	else
		fwrite(text.p, 1, text.n, stdout);
	json_object_put(result);
	return CTL_OK;
}
