// SPDX-License-Identifier: Apache-2.0
/*
 * A plugin for qemu-user that counts the guest's instructions: the emulator tells it of each block of code that it translates,
 * and runs count() each time one is entered. When the guest exits, the sum is written to the file of the argument out=PATH.
 *
 * Distributions do not ship qemu-plugin.h, so the few declarations are repeated here, as of API version 1 (qemu 4.2) and unchanged
 * since. qemu loads a plugin only when its version lies within a range of its own, so -DVERSION is found by trying (count.go).
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifndef VERSION
#define VERSION 1
#endif

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum { NO_REGISTERS = 0 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned vcpu, void *data), int flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id, void *data), void *data);

int qemu_plugin_version = VERSION;
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

static uint64_t total; /* of all threads of the guest */
static char path[4096];

static void count(unsigned vcpu, void *data)
{
	(void)vcpu;
	__atomic_fetch_add(&total, (uint64_t)(uintptr_t)data, __ATOMIC_RELAXED);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, count, NO_REGISTERS, (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb));
}

static void finished(qemu_plugin_id_t id, void *data)
{
	(void)id, (void)data;
	FILE *f = fopen(path, "w");
	if (f == NULL)
		return;
	fprintf(f, "%" PRIu64 "\n", total);
	fclose(f);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "out=", 4) == 0 && strlen(argv[i] + 4) < sizeof path)
			strcpy(path, argv[i] + 4);
	if (path[0] == '\0')
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finished, NULL);
	return 0;
}
