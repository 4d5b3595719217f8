/* Sections as loaders have them. Programs in sections that say nothing have the type of their context. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define PROGRAM(section, name, context) SEC(section) int name(struct context *ctx) { return 2; }

PROGRAM("xdp", plain, xdp_md)
PROGRAM("xdp.frags", frags, xdp_md)
PROGRAM("xdp/devmap", on_device, xdp_md)
PROGRAM("xdp/cpumap", on_cpu, xdp_md)
PROGRAM("xdp.frags/devmap", frags_on_device, xdp_md)
PROGRAM("tc", tc_plain, __sk_buff)
PROGRAM("classifier", tc_classifier, __sk_buff)
PROGRAM("action", tc_action, __sk_buff)
#ifdef NEW_NAMES
PROGRAM("tc/ingress", tc_ingress, __sk_buff)
PROGRAM("tcx/egress", tcx_egress, __sk_buff)
#endif
#ifdef OPTIONAL	/* bpftool wants to pin what was not loaded */
PROGRAM("?xdp", optional, xdp_md)
#endif
#ifdef ANY_NAMES
PROGRAM("xdp_pass", tutorial, xdp_md)
PROGRAM("rx", receive, xdp_md)
PROGRAM("tx", transmit, __sk_buff)
PROGRAM("filter", port_filter, xdp_md)
#endif
#ifdef OTHER_TYPES
SEC("kprobe/do_exit") int probe(void *ctx) { return 0; }
#endif

char _license[] SEC("license") = "GPL";
