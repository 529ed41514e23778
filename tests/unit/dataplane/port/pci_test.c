// SPDX-License-Identifier: BSD-3-Clause
//
// Which texts are PCI addresses: they become paths in sysfs and arguments of DPDK, so nothing else may pass.

#include "dataplane/port/port_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void knows_an_address(void **state)
{
	(void)state;
	assert_true(pci_is_address("0000:00:00.0"));
	assert_true(pci_is_address("abcd:ef:1f.7"));
}

static void takes_nothing_else_for_one(void **state)
{
	static const char good[] = "0000:3b:00.1";
	static const char *const bad[] = {
		"",
		"0",
		"0000:3b:00.",
		"0000:3b:00.8",
		"0000:3b:00.11",
		"0000:3B:00.1",
		"3b:00.1",
		"0000:3b:00.1,x",
		"0000:3b:00.1 ",
		" 0000:3b:00.1",
		"0000:3b/00.1",
		"0000:..:00.1",
		"../0:3b:00.1",
	};
	char text[sizeof(good)];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pci_is_address(bad[i]));
	for (size_t cut = 0; cut < sizeof(good) - 1; cut++) {
		memcpy(text, good, sizeof(good));
		text[cut] = '\0';
		assert_false(pci_is_address(text));
	}
	for (size_t at = 0; at < sizeof(good) - 1; at++) {
		memcpy(text, good, sizeof(good));
		text[at] = 'g';
		assert_false(pci_is_address(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_an_address),
		cmocka_unit_test(takes_nothing_else_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
