// SPDX-License-Identifier: BSD-3-Clause
//
// steer_load - the life of the steering program on one interface: load, take over what a killed process
// of ours left, attach without a window, change its maps, read its counters, detach.
//
// The program is attached by netlink, without a bpf_link and without pins: it outlives the process (so
// the addresses it takes fall silent instead of being answered by resets) and is found again by its id.
// Taking a left program over needs CAP_SYS_ADMIN (the kernel wants it for program and map ids); loading,
// attaching and updating need CAP_BPF and CAP_NET_ADMIN.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kmod/include/steer.h"

struct steer;

#define STEER_ERROR_SIZE 256

// Load the program for an interface; not attached yet. If one of ours (of any instance) is attached, the
// new one shares its maps: services stay taken and counters go on.
//
// Returns: 0 and *out. Errors, with a sentence in err[STEER_ERROR_SIZE]:
//   -EBUSY  a foreign program is attached    -EPERM  a program is attached and may not be examined
//   -ENODEV no such interface                -EINVAL instance name
//   other negative errno: load refused by the kernel
// Thread: one at a time
int steer_open(const char *instance, int ifindex, struct steer **out, char *err);

// Likewise, but the program takes all that arrives, whatever the maps say: the interface is the wire of
// somebody who has another view for the kernel.
int steer_open_whole(const char *instance, int ifindex, struct steer **out, char *err);

// Were the maps of a left program taken over?
bool steer_is_taken_over(const struct steer *s);

// What an interface takes. Keys may repeat; the arrays are borrowed for the call.
struct steer_content {
	const struct steer_service_key *service;
	size_t services;
	const struct steer_addr_key *addr;
	const struct steer_addr *addr_value;
	size_t addrs;
	const struct steer_net_key *net;
	const uint32_t *net_set;
	size_t nets;
	const struct steer_addr_key *from;
	const uint32_t *from_set;
	size_t froms;
	const struct steer_port_key *port;
	const uint32_t *port_value; // enum steer_port
	size_t ports;
};

// Replace what is taken; entries in both the old and the new set are never out of the maps meanwhile, if
// a port set with other content has another number. Errors: -ENOSPC more than a map holds (the old set
// is then partly in force still, nothing old was removed); -ENOMEM; other negative errno.
int steer_set(struct steer *s, const struct steer_content *content);
int steer_set_vlans(struct steer *s, const uint16_t *vids, size_t count);

// Attach in the driver, generic where the driver cannot. A left program of ours is replaced in one step.
// Errors: -EBUSY somebody attached another one meanwhile; -ENODEV; other negative errno; *err filled
int steer_attach(struct steer *s, char *err);
bool steer_is_generic(const struct steer *s); // attached in generic (skb) mode

// Is it still our program that is attached?
bool steer_is_attached(const struct steer *s);

// Put the AF_XDP socket of a queue into xsks_map.
int steer_set_socket(struct steer *s, uint32_t queue, int fd);
// Take it out: what arrives on the queue and is ours is dropped. Errors: negative errno
int steer_clear_socket(struct steer *s, uint32_t queue);

// Sum over all CPUs. Errors: negative errno, *out zeroed
int steer_stats(const struct steer *s, struct steer_stat *out);

// Take the program off the interface, if it is still ours.
int steer_detach(struct steer *s);

// Forget it; what is attached stays attached. NULL does nothing.
void steer_close(struct steer *s);

// For every interface of this network namespace with a program of ours of this instance: call fn for
// each address it takes, then detach it. Returns how many were detached, or a negative errno.
int steer_detach_left(const char *instance,
		      void (*fn)(int ifindex, const struct steer_addr_key *addr, void *arg),
		      void *arg);
