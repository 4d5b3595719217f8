/**
 * The command lines of the tutorial to "Fast Packet Processing with eBPF and XDP" (ACM Computing Surveys), as they stand in its README,
 * https://github.com/racyusdelanoo/bpf-tutorial, by its authors.
 */

/** Blocks that are not followed, and why. */
export const LEFT_OUT = {
  "Virtual Machine, Import the virtual machine":
    "Downloads and imports a VirtualBox image; a lab called eth0 stands for its interface.",
  "Compiling kernel examples, `cd ~/net-next/`":
    "The folder is the workspace itself; the two `make` lines of the block are followed in it.",
  "Example 0, expected outputs of `ip link show eth0`":
    "They are outputs; the parts that do not depend on the machine are compared.",
  "Example 2, `sudo bpftool prog show`, its expected output":
    "An output, as above. Debian's bpftool prints maps whose types are known as JSON.",
  "Extra example 2, the C macro and the C functions with a line added":
    "TypeScript has `trace`; the same lines are added to the module.",
  "Extra example 2, the verifier's refusal without a license":
    'Modules are compiled as "Dual MIT/GPL", so the kernel does not refuse them.',
  'Extra example 2, `char _license[] SEC("license")`': "As above.",
  "Extra example 2, `sudo cat /sys/kernel/debug/tracing/trace_pipe`":
    "The kernel lets one reader have the pipe, and takes from it what has been read: a test would be in the way of others on this machine.",
} as const;

export const CSUR = {
  /** Compiling kernel examples. */
  kernelExamples: ["make headers_install", "make samples/bpf/"],
  /** Compiling local examples, and under each example. */
  localExamples: ["cd examples/ && make"],
  dropworld: {
    load: "sudo ip -force link set dev eth0 xdp obj dropworld.o sec .text",
    show: "ip link show eth0",
    unload: "sudo ip link set dev eth0 xdp off",
    ping: "ping google.com",
  },
  tcpfilter: {
    ping: "ping google.com",
    curl: "curl http://www.google.com",
    load: "sudo ip -force link set dev eth0 xdp obj tcpfilter.o sec .text",
  },
  xdp1: {
    usage: "./xdp1",
    run: "sudo ./xdp1 eth0",
    programs: "sudo bpftool prog show",
    dump: "sudo bpftool map dump id 14",
  },
  layercoop: {
    loadRx: "sudo ip link set dev eth0 xdp obj layercoop.o sec rx",
    qdisc: "sudo tc qdisc add dev eth0 clsact",
    loadTx: "sudo tc filter add dev eth0 egress bpf da obj layercoop.o sec tx",
    unload: ["sudo ip link set dev eth0 xdp off", "sudo tc filter del dev eth0 egress"],
  },
  portfilter: {
    curl: "curl http://www.google.com",
    load: "sudo ip -force link set dev eth0 xdp obj portfilter.o sec filter",
  },
  metadata: {
    make: "make samples/bpf/",
    usage: "sudo ./xdp2skb_meta.sh",
    load: "./xdp2skb_meta.sh --dev eth0",
    loadXdp: "sudo ip -force link set dev eth0 xdp obj xdp2skb_meta_kern.o sec xdp_mark",
    loadTc: [
      "sudo tc qdisc add dev eth0 clsact",
      "sudo tc filter add dev eth0 ingress bpf da obj xdp2skb_meta_kern.o sec tc_mark",
    ],
    trace: "sudo cat /sys/kernel/debug/tracing/trace",
  },
} as const;
