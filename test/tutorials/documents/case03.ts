/**
 * The command lines of case 03 of David Carrascal's TFG, https://github.com/davidcawork/TFG (src/use_cases/xdp/case03), which stand in its
 * README twice, in English and in Spanish.
 */

/** Blocks that are not followed, and why. */
export const LEFT_OUT = {
  "XDP restrictions, `struct xdp_md` and the two lines with data and data_end":
    "C that is explained, not typed. `ctx` has the fields.",
  "Inline loops and functions, the unrolled loop": "As above.",
  "The Spanish half": "Its blocks are those of the English one.",
} as const;

export const CASE03 = {
  /** Compilation. */
  make: "make",
  /** Setting up the scenario, first block. */
  install: "sudo ./runenv.sh -i",
  /** Setting up the scenario, second block. */
  clean: "sudo ./runenv.sh -c",
  /** Loading the XDP program. */
  load: [
    "sudo ip netns exec uno ./xdp_loader -d veth0 -F --progsec xdp_pass",
    "sudo ./xdp_loader -d uno -F --progsec xdp_case03",
  ],
  /** Testing. */
  ping: "sudo ip netns exec uno ping 10.0.0.1",
  stats: "sudo ./xdp_stats -d uno",
} as const;
