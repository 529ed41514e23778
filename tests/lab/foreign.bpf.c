// SPDX-License-Identifier: BSD-3-Clause
//
// Somebody else's XDP program, named as libxdp's default one: passes everything.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char foreign_license[] SEC("license") = "Dual BSD/GPL";
