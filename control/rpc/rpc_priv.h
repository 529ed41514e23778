// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of rpc share: server.c (sockets, framing, queue), session.c (who, locks), access.c
// (rules), reply.c (answers), select.c (reading with filters), ops_*.c (the methods).
#pragma once

#include "control/datastore/datastore.h"
#include "control/datastore/errors.h"
#include "control/rpc/access.h"
#include "control/rpc/rpc.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <jansson.h>
#include <libyang/libyang.h>

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define RPC_LINE_MAX     (64u << 20)
#define RPC_SESSION_MAX  512
#define RPC_SESSION_UID  128          // of one uid that is neither root nor sluice-netconfd
#define RPC_HALF_FREE    (1u << 20)   // of a line that is not whole, looked at no further
#define RPC_HALF_UID     (128u << 20) // of all such lines of one uid
#define RPC_HALF_TRUSTED (512u << 20) // of root and of sluice-netconfd
#define RPC_PATH_MAX     4096         // an XPath of a request

#define RPC_PARSE     (-32700)
#define RPC_REQUEST   (-32600)
#define RPC_METHOD    (-32601)
#define RPC_PARAMS    (-32602)
#define RPC_OPERATION (-32000)

enum target { TARGET_RUNNING, TARGET_CANDIDATE, TARGET_COUNT };

struct call;

struct session {
	struct session *next;
	struct rpc_server *server;
	uint32_t id;
	uid_t uid; // who SO_PEERCRED says
	char user[256];
	char source[256];
	char transport[64];
	bool named; // `session` set the user
	time_t since;

	struct bufferevent *bev; // NULL: fed by hand
	struct evbuffer *in, *out;
	size_t scanned;     // bytes of in known to hold no newline
	struct call *call;  // the one that is not answered yet
	bool closing;       // close when out is empty
	bool in_loop;       // in session_run
	struct event *wake; // go on reading lines
};

#define METHOD_WRITES   0x1u // waits while a transaction is under way
#define METHOD_NETCONFD 0x2u // only the uid of sluice-netconfd
#define METHOD_FREE     0x4u // no access rule applies

struct method {
	const char *name;
	const char *module, *rpc; // as access rules name it
	unsigned flags;
	void (*run)(struct call *call);
};

struct call {
	struct call *next; // in the queue of writers
	struct rpc_server *server;
	struct session *session; // NULL: the client is gone
	const struct method *method;
	char *id;       // JSON text, NULL: a notification
	json_t *params; // an object, never NULL
	void *data;     // the method's own, freed with free_data
	void (*free_data)(void *data);
};

struct rpc_server {
	struct rpc_conf conf;
	struct evconnlistener *listener;
	struct session *sessions;
	size_t session_count;
	uint32_t last_id;
	uint32_t lock[TARGET_COUNT]; // session id, 0: free
	char lock_time[TARGET_COUNT][32];
	uint32_t last_editor; // of the candidate, 0: not known
	struct call *queue, **queue_tail;
	struct event *queue_event;
	struct access *access; // rules of access_version
	uint64_t access_version;
	uint64_t denied_operations, denied_writes;
	char path[108];
};

// ---- server.c
const struct method *method_find(const char *name);
void server_kick_queue(struct rpc_server *s); // a transaction ended: run who waits

// ---- session.c
struct session *session_create(struct rpc_server *s, uid_t uid);
void session_destroy(struct session *s);
struct session *session_find(struct rpc_server *s, uint32_t id);
void session_timestamp(char *out, size_t size, time_t t);

// ---- reply.c: each ends the call
void reply_json(struct call *call, json_t *result); // takes the reference
void reply_text(struct call *call, const char *json);
void reply_ok(struct call *call);
void reply_send_error(struct call *call, json_t *error); // takes the reference
void reply_error(struct call *call, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void reply_result(struct call *call, const struct txn_result *r);
void reply_tag(struct call *call, const char *tag, const char *path, json_t *info, const char *fmt,
	       ...) __attribute__((format(printf, 5, 6)));
void reply_raw_error(struct session *s, const char *id, int code, const char *message);
// A txn_result on the heap: it is too large for a stack that recursion shares. Ends the call on
// failure and gives NULL.
struct txn_result *result_create(struct call *call);

// ---- access of a call
struct access *server_access(struct rpc_server *s); // rules as running has them
void call_guard(struct call *call, struct edit_guard *guard, struct access_user *user);

// ---- parameters: false means the call was answered
bool param_string(struct call *call, const char *name, bool required, const char **out);
bool param_bool(struct call *call, const char *name, bool fallback, bool *out);
bool param_integer(struct call *call, const char *name, bool required, json_int_t min,
		   json_int_t max, json_int_t *out);
bool param_target(struct call *call, const char *name, enum target fallback, enum target *out);
bool param_config(struct call *call, const char *name, struct lyd_node **out);
bool param_known(struct call *call, const char *const *names); // refuses others

// ---- password.c
// Hash what an edit gives as a clear password ("$0$...", RFC 7317): clear text is never kept.
// Returns: 0, or -EINVAL with r filled
int password_hash_clear(struct lyd_node *edit, struct txn_result *r);

// ---- select.c
struct selection {
	json_t *paths;  // array of XPath, NULL: all
	uint32_t print; // LYD_PRINT_WD_*
	bool implicit;  // default nodes are put in
};
bool param_selection(struct call *call, struct selection *sel);
// The nodes of tree that are selected and may be read, as JSON text. Ends the call on failure.
char *selection_print(struct call *call, const struct tree *tree, const struct selection *sel);
// A copy of what the paths can reach at most: little where they name entries, else everything.
// Returns: 0, out->root is the caller's; or -ENOMEM
int selection_copy(const struct tree *tree, const struct selection *sel, struct tree *out);

// ---- ops_*.c
extern const struct method ops_session[], ops_config[], ops_read[],
	ops_schema[];                                    // ended by a NULL name
bool lock_allows(struct call *call, enum target target); // else answered with in-use
