/** There is no BPF file system where all tools look for it. */
import { BPFFS_PATH } from "../../sys/mount.ts";
import type { Check } from "./check.ts";

const ID = "bpffs-missing";

export const bpffsMissing: Check = {
  id: ID,
  find: ({ bpffs, subjects }) =>
    bpffs || !subjects.some(({ device }) => device.xdp.length > 0 || device.tcPrograms.length > 0)
      ? []
      : [
          {
            id: ID,
            place: { netns: null, dev: null },
            what: `There is no BPF file system at ${BPFFS_PATH}.`,
            evidence: `statfs(${BPFFS_PATH}) does not give BPF_FS_MAGIC.`,
            why: "Maps and links cannot be pinned, so other tools find neither counters nor tables; loaders built on libxdp refuse to load, or put their programs where they end with the loader. `ip netns exec` has a /sys of its own, without one.",
            fix: { command: `mount -t bpf bpf ${BPFFS_PATH}`, safe: true },
          },
        ],
};
