/** What an errno of a map operation means for the one who called it. */
import { withArticle } from "../../article.ts";
import { WirescriptError } from "../../errors.ts";
import { MAP_TYPE } from "../../object/spec.ts";
import type { MapFd } from "../../sys/bpf.ts";
import { errnoName, SyscallError } from "../../sys/errno.ts";
import { denied } from "../privileges.ts";
import { accessOf } from "./access.ts";
import { refusalOf } from "./refusals.ts";
import { mapTypeName } from "./type-name.ts";

export interface FailedOn {
  name: string;
  type: number;
  maxEntries: number;
  fd: MapFd;
}

export type Operation = "read" | "set" | "delete" | "list" | "push" | "take";

const ARRAYS = new Set<number>([MAP_TYPE.ARRAY, MAP_TYPE.PERCPU_ARRAY]);

const HASHES = new Set<number>([MAP_TYPE.HASH, MAP_TYPE.PERCPU_HASH]);

/** Keys are the numbers below the number of entries. */
const INDEXED = new Set<number>([
  ...ARRAYS,
  MAP_TYPE.PROG_ARRAY,
  MAP_TYPE.PERF_EVENT_ARRAY,
  MAP_TYPE.ARRAY_OF_MAPS,
  MAP_TYPE.DEVMAP,
  MAP_TYPE.CPUMAP,
  MAP_TYPE.XSKMAP,
]);

/** Translates a failed map operation; `errno` is positive, `key` how the user gave it. */
export function mapFailure(map: FailedOn, operation: Operation, errno: number, key?: unknown): WirescriptError {
  const kind = mapTypeName(map.type);
  const at = key === undefined ? "" : ` at key ${show(key)}`;
  const failure = (what: string, why: string, fix: string) =>
    new WirescriptError({ code: "MAP", what, why, fix, cause: new SyscallError("bpf", errno) });
  const array = ARRAYS.has(map.type);
  const refusal = refusalOf(map.type, errnoName(errno));
  if (refusal !== undefined && operation === "set") {
    return failure(`The map "${map.name}" (${kind}) did not take the value${at}.`, refusal.why, refusal.fix);
  }

  switch (errnoName(errno)) {
    case "E2BIG":
    case "ENOSPC":
      if (operation === "push") {
        return failure(
          `The map "${map.name}" is full: the value ${show(key)} was not put in.`,
          `It is ${withArticle(kind)} made for ${map.maxEntries} values, and it holds that many.`,
          "Take values out first, make the map with more entries, or push with { overwrite: true }, which throws the oldest out.",
        );
      }
      if (INDEXED.has(map.type)) return outOfRange(map, key);
      return failure(
        `The map "${map.name}" is full: key ${show(key)} was not added.`,
        `It is ${withArticle(kind)} made for ${map.maxEntries} entries, and it has that many.`,
        `Delete entries, or make the map with more entries${HASHES.has(map.type) ? "; an LRU hash forgets the oldest by itself" : ""}.`,
      );
    case "ENOENT":
      if (array) return outOfRange(map, key);
      return failure(
        `The map "${map.name}" has no entry${at}.`,
        operation === "set" ? 'The flag "exist" changes an entry only if it is there.' : "It was never set, or it was deleted.",
        operation === "set" ? 'Use "any" to add it.' : "Use get(), which gives undefined then, or set it first.",
      );
    case "EEXIST":
      return failure(
        `The map "${map.name}" already has an entry${at}.`,
        array ? "All entries of an array exist from the start." : 'The flag "noexist" adds an entry only if it is not there.',
        'Use "any" to overwrite it.',
      );
    case "EPERM":
      return notAllowed(map, operation, at, errno);
    case "EINVAL":
      if (array && operation === "delete") {
        return failure(
          `Nothing can be deleted from the map "${map.name}".`,
          `It is ${withArticle(kind)}: all its entries exist from the start.`,
          "Set the entry to zero instead.",
        );
      }
      if (INDEXED.has(map.type) && typeof key === "number" && key >= map.maxEntries) return outOfRange(map, key);
      break;
    case "EBUSY":
      return failure(
        `The map "${map.name}" is busy: nothing was changed${at}.`,
        "A program on this CPU was interrupted in the middle of a change of the same element.",
        "Try again.",
      );
    case "ENOMEM":
      return failure(
        `The kernel has no memory for the map "${map.name}" to ${operation} an entry${at}.`,
        "The map takes memory for each entry when it is added, and the kernel, or the cgroup of this process, has none left.",
        "Free memory, raise the cgroup's limit, or make the map with its memory taken at the start.",
      );
    case "ENOTSUPP":
    case "EOPNOTSUPP":
      return failure(
        `User space cannot ${operation} entries of the map "${map.name}".`,
        `The kernel has no such operation for ${withArticle(kind)}.`,
        "Use the map from the program, or choose another type of map.",
      );
  }
  return new WirescriptError({
    code: "MAP",
    what: `The map "${map.name}" (${kind}): the kernel refused to ${operation} ${operation === "push" ? "a value" : "an entry"}${at}: ${errnoName(errno)}.`,
    fix: `Look at the map, its flags and who may use it: info() of the map, wirescript maps show ${map.name}`,
    cause: new SyscallError("bpf", errno),
  });
}

export function outOfRange(map: Pick<FailedOn, "name" | "type" | "maxEntries">, key: unknown): WirescriptError {
  return new WirescriptError({
    code: "MAP",
    what: `The map "${map.name}" has no index ${show(key)}.`,
    why: `It is ${withArticle(mapTypeName(map.type))} of ${map.maxEntries} entries: 0 to ${map.maxEntries - 1}.`,
    fix: "Use an index in that range, or make the map with more entries.",
  });
}

/** EPERM has more than one reason, and the kernel does not tell which. */
function notAllowed(map: FailedOn, operation: Operation, at: string, errno: number): WirescriptError {
  const failure = (what: string, why: string, fix: string) =>
    new WirescriptError({ code: "MAP", what, why, fix, cause: new SyscallError("bpf", errno) });
  const writes = operation !== "read" && operation !== "list";
  const access = accessOf(map.fd);
  if (writes && access.frozen) {
    return failure(
      `The map "${map.name}" is frozen: nothing was changed${at}.`,
      "A frozen map (.rodata, for example) is read-only for user space, so that the verifier can take its contents as constants.",
      "Give the value before loading: load(source, { settings: { … } }).",
    );
  }
  // The kernel keeps BPF_F_RDONLY and BPF_F_WRONLY with the descriptor, and does not tell them as the map's flags.
  if (writes && !access.writable) {
    return failure(
      `The map "${map.name}" is read-only for user space here: nothing was changed${at}.`,
      "It was opened for reading only, or made with the flag BPF_F_RDONLY.",
      "Open it for reading and writing, for example by its pin.",
    );
  }
  if (operation !== "set" && operation !== "push" && !access.readable) {
    return failure(
      `The map "${map.name}" is write-only for user space here: nothing was read${at}.`,
      "It was opened for writing only, or made with the flag BPF_F_WRONLY.",
      "Open it for reading and writing, for example by its pin.",
    );
  }
  return denied(`The kernel does not let this process ${operation} entries of the map "${map.name}".`);
}

/** A key in a message, on one line. */
export function show(value: unknown): string {
  if (value instanceof Uint8Array) return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? `${inner}` : inner)) ?? String(value);
}
