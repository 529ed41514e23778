// SPDX-License-Identifier: BSD-3-Clause

#include "apps/lb/health/lb_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/lb/conf/lb_store.h"

#define WEIGHT_MAX 256

void lb_watch_fini(struct lb_watch *w)
{
	free(w->change);
	w->change = NULL;
}

// ---- all together ------------------------------------------------------------------------------

bool lb_watch_any(const struct ctl_check *c)
{
	return c->kind != CTL_CHECK_NONE || c->agent_port != 0 || c->passive_failures != 0;
}

static uint8_t agent_of(const struct lb_verdict *v, const struct ctl_check *c)
{
	return c->agent_port != 0 ? v->agent : 0;
}

static uint8_t check_of(const struct lb_verdict *v, const struct ctl_check *c)
{
	return c->kind != CTL_CHECK_NONE ? v->health : CTL_HEALTH_UNKNOWN;
}

bool lb_watch_is_passive(const struct lb_verdict *v, const struct ctl_check *c)
{
	return c->passive_failures != 0 && v->watch != NULL && v->watch->passive_until != 0;
}

bool lb_watch_is_damped(const struct lb_verdict *v, const struct ctl_check *c)
{
	return c->damping_changes != 0 && v->watch != NULL && v->watch->damped_until != 0;
}

bool lb_watch_raw_down(const struct lb_verdict *v, const struct ctl_check *c)
{
	return check_of(v, c) == CTL_HEALTH_DOWN || lb_watch_is_passive(v, c) ||
	       (agent_of(v, c) & CTL_AGENT_DOWN) != 0;
}

const char *lb_watch_health_name(uint8_t health)
{
	static const char *const name[] = {[CTL_HEALTH_UNKNOWN] = "unknown",
					   [CTL_HEALTH_UP] = "up",
					   [CTL_HEALTH_DOWN] = "down"};

	return name[health];
}

uint8_t lb_watch_health(const struct lb_verdict *v, const struct ctl_check *c)
{
	if (lb_watch_raw_down(v, c) || lb_watch_is_damped(v, c) ||
	    (agent_of(v, c) & CTL_AGENT_MAINT) != 0)
		return CTL_HEALTH_DOWN;
	return check_of(v, c);
}

bool lb_watch_drains(const struct lb_verdict *v, const struct ctl_check *c)
{
	return (agent_of(v, c) & CTL_AGENT_DRAIN) != 0;
}

uint16_t lb_watch_weight(const struct lb_verdict *v, const struct ctl_check *c, uint16_t weight)
{
	uint32_t w = weight;

	if ((agent_of(v, c) & CTL_AGENT_KNOWN) == 0)
		return weight;
	w = w * v->agent_percent / 100;
	if (w == 0 && weight > 0 && v->agent_percent > 0)
		w = 1;
	return (uint16_t)(w > WEIGHT_MAX ? WEIGHT_MAX : w);
}

const char *lb_watch_reason(const struct lb_verdict *v, const struct ctl_check *c, char *out,
			    size_t size)
{
	const char *said = v->reason != NULL ? v->reason : "";

	out[0] = '\0';
	if (lb_watch_health(v, c) != CTL_HEALTH_DOWN)
		return out;
	if (lb_watch_is_damped(v, c))
		snprintf(out, size, "held down: it changed %u times within %u s%s%s",
			 c->damping_changes, c->damping_window_ms / 1000,
			 said[0] != '\0' ? ", at last by: " : "", said);
	else if (lb_watch_is_passive(v, c) && check_of(v, c) != CTL_HEALTH_DOWN)
		snprintf(out, size, "passive: %u connections of clients failed in a row",
			 v->watch->run);
	else
		snprintf(out, size, "%s", said);
	return out;
}

const char *lb_watch_agent(const struct lb_verdict *v, const struct ctl_check *c, char *out,
			   size_t size)
{
	uint8_t agent = agent_of(v, c);

	out[0] = '\0';
	if ((agent & CTL_AGENT_KNOWN) == 0)
		return out;
	snprintf(out, size, "%s%s%s%u%%", (agent & CTL_AGENT_DOWN) != 0 ? "down " : "",
		 (agent & CTL_AGENT_MAINT) != 0 ? "maint " : "",
		 (agent & CTL_AGENT_DRAIN) != 0 ? "drain " : "", v->agent_percent);
	return out;
}

// ---- passive -----------------------------------------------------------------------------------

bool lb_passive_note(struct lb_watch *w, const struct ctl_check *c, uint32_t ref, uint64_t answered,
		     uint64_t failed)
{
	uint64_t good = answered - w->answered, bad = failed - w->failed;
	bool same = w->ref == ref;

	w->ref = ref;
	w->answered = answered;
	w->failed = failed;
	if (!same || good > 0) // what came first of the two is not known: a good one counts more
		w->run = 0;
	else
		w->run = bad > UINT32_MAX - w->run ? UINT32_MAX : w->run + (uint32_t)bad;
	return c->passive_failures != 0 && w->passive_until == 0 && w->run >= c->passive_failures;
}

void lb_passive_mark(struct lb_watch *w, const struct ctl_check *c, uint64_t now_ms)
{
	w->passive_until = now_ms + c->passive_hold_ms;
}

void lb_passive_clear(struct lb_watch *w)
{
	w->passive_until = 0;
	w->run = 0;
}

// ---- damping -----------------------------------------------------------------------------------

// A ring of the configured size; one of another size begins empty.
static bool ring_ready(struct lb_watch *w, const struct ctl_check *c)
{
	if (w->change != NULL && w->changes == c->damping_changes)
		return true;
	free(w->change);
	w->change = calloc(c->damping_changes, sizeof(*w->change));
	w->changes = c->damping_changes;
	w->next = 0;
	return w->change != NULL;
}

// So many changes within the window up to now?
static bool is_flapping(const struct lb_watch *w, const struct ctl_check *c, uint64_t now_ms)
{
	uint64_t oldest = w->change == NULL ? 0 : w->change[w->next];

	return oldest != 0 && now_ms - oldest < c->damping_window_ms;
}

// What it did before shall not hold it once more: the ring begins empty.
static void hold(struct lb_watch *w, const struct ctl_check *c, uint64_t now_ms)
{
	memset(w->change, 0, w->changes * sizeof(*w->change));
	w->damped_until = now_ms + ((uint64_t)c->damping_hold_ms << w->level);
}

bool lb_damp_change(struct lb_watch *w, const struct ctl_check *c, uint64_t now_ms)
{
	uint64_t quiet;

	if (c->damping_changes == 0 || !ring_ready(w, c))
		return false;
	w->change[w->next] = now_ms;
	w->next = (uint16_t)((w->next + 1) % w->changes);
	if (w->damped_until != 0 || !is_flapping(w, c, now_ms))
		return false;
	// A new story if it has been quiet for as long as it was held, and the window; else the old one.
	quiet = c->damping_window_ms + ((uint64_t)c->damping_hold_ms << w->level);
	if (w->released == 0 || now_ms - w->released >= quiet)
		w->level = 0;
	else if (w->level < LB_DAMP_LEVEL_MAX)
		w->level++;
	hold(w, c, now_ms);
	return true;
}

bool lb_damp_tick(struct lb_watch *w, const struct ctl_check *c, uint64_t now_ms)
{
	if (w->damped_until == 0 || now_ms < w->damped_until)
		return false;
	if (c->damping_changes != 0 && w->changes == c->damping_changes &&
	    is_flapping(w, c, now_ms)) {
		if (w->level < LB_DAMP_LEVEL_MAX)
			w->level++;
		hold(w, c, now_ms);
		return false;
	}
	w->damped_until = 0;
	w->released = now_ms;
	return true;
}
