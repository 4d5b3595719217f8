/* SPDX-License-Identifier: MIT */
/*
 * Reads a pinned xdp_stats_map as a C program of the XDP tutorial's users would: with bpf(2), a struct, and nothing of ours.
 * Prints what kind of map it is, then a line for each action: its number, packets and bytes, summed over the CPUs.
 */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_CPUS 1024

struct datarec {
	uint64_t rx_packets;
	uint64_t rx_bytes;
};

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* The kernel gives a copy for each possible CPU, not only for those that are on. */
static int possible_cpus(void)
{
	FILE *file = fopen("/sys/devices/system/cpu/possible", "r");
	int first, last = -1;
	if (file == NULL || fscanf(file, "%d-%d", &first, &last) < 1 || first != 0) return -1;
	fclose(file);
	return (last < 0 ? first : last) + 1;
}

int main(int argc, char **argv)
{
	union bpf_attr attr;
	struct bpf_map_info info;
	static struct datarec values[MOST_CPUS];
	int cpus = possible_cpus();

	if (argc != 2 || cpus < 1 || cpus > MOST_CPUS) return 2;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)argv[1];
	long fd = bpf(BPF_OBJ_GET, &attr);
	if (fd < 0) return perror("BPF_OBJ_GET"), 1;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = fd;
	attr.info.info = (uintptr_t)&info;
	attr.info.info_len = sizeof(info);
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0) return perror("BPF_OBJ_GET_INFO_BY_FD"), 1;
	if (info.value_size != sizeof(struct datarec)) return 3;
	printf("bpf_map_type:%u name:%s key_size:%u value_size:%u max_entries:%u\n", info.type, info.name, info.key_size,
	       info.value_size, info.max_entries);

	for (uint32_t action = 0; action < info.max_entries; action++) {
		struct datarec sum = {0, 0};
		memset(&attr, 0, sizeof(attr));
		attr.map_fd = fd;
		attr.key = (uintptr_t)&action;
		attr.value = (uintptr_t)values;
		if (bpf(BPF_MAP_LOOKUP_ELEM, &attr) < 0) return perror("BPF_MAP_LOOKUP_ELEM"), 1;
		for (int cpu = 0; cpu < cpus; cpu++) {
			sum.rx_packets += values[cpu].rx_packets;
			sum.rx_bytes += values[cpu].rx_bytes;
		}
		printf("%u %llu %llu\n", action, (unsigned long long)sum.rx_packets, (unsigned long long)sum.rx_bytes);
	}
	return 0;
}
