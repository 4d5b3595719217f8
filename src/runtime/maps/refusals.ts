/** Why the kernel refuses elements of maps whose values mean something to it: devices, CPUs, sockets, programs. */
import { MAP_TYPE } from "../../object/spec.ts";

interface Refusal {
  why: string;
  fix: string;
}

const DEVICE: Record<string, Refusal> = {
  EINVAL: {
    why: "There is no device with that ifindex in this network namespace, or what is beside it is no program that was loaded for devices.",
    fix: 'Take the ifindex from this namespace (ip link), and a program of the section "xdp/devmap".',
  },
  ENODEV: {
    why: "There is no device with that ifindex in this network namespace.",
    fix: "Take the ifindex from this namespace: ip link",
  },
};

const REFUSALS: Readonly<Record<number, Record<string, Refusal>>> = {
  [MAP_TYPE.DEVMAP]: DEVICE,
  [MAP_TYPE.DEVMAP_HASH]: DEVICE,
  [MAP_TYPE.CPUMAP]: {
    EINVAL: {
      why: "What is beside it is no program that was loaded for CPUs.",
      fix: 'Use a program of the section "xdp/cpumap".',
    },
    EOVERFLOW: { why: "A CPU's queue holds 16384 frames at most.", fix: "Use a shorter queue, for example 2048." },
    ENODEV: { why: "There is no such CPU in this machine.", fix: "Use the number of a CPU that is there: lscpu" },
    // What the kernel says when it cannot make the CPU's thread, for whatever reason.
    ENOMEM: {
      why: "What is beside it is no program that was loaded for CPUs, or the kernel has no memory for the CPU's queue and thread.",
      fix: 'Use a program of the section "xdp/cpumap", or free memory.',
    },
  },
  [MAP_TYPE.XSKMAP]: {
    EBADF: { why: "That descriptor is not open.", fix: "Keep the socket open until it is set." },
    ENOTSOCK: { why: "That descriptor is no socket.", fix: "Give the descriptor of an AF_XDP socket." },
    EOPNOTSUPP: {
      why: "That socket is no AF_XDP socket, or it has no ring to receive with.",
      fix: "Give the descriptor of an AF_XDP socket that has its RX ring.",
    },
  },
  [MAP_TYPE.PROG_ARRAY]: {
    EBADF: {
      why: "The program's descriptor is not open, or is none of a program.",
      fix: "Keep the program open while it is in the map: a program array does not keep it when nobody else holds the map.",
    },
    EINVAL: {
      why: "All programs of an array, and those that jump into it, are of one type and kind (JIT or not, frags or not): this one differs.",
      fix: "Use a program of the same type, loaded with the same options.",
    },
  },
};

export function refusalOf(type: number, errno: string): Refusal | undefined {
  return REFUSALS[type]?.[errno];
}
