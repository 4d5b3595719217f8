/** All that the kernel tells about a program, whoever loaded it, put together for people: names instead of numbers, and where it is attached. */
import { mapById, mapInfo, type ProgramFd, programDump, unlessGone } from "../sys/bpf.ts";
import { fdInfo } from "../sys/fd-info.ts";
import { type Attachment, listAttachments } from "./attachments.ts";
import { sourcesOf } from "./dump/source-lines.ts";
import { ofAllPrograms } from "./kernel-objects.ts";
import { mapTypeName } from "./maps/type-name.ts";
import { listPins, type Pin } from "./pins.ts";
import { describeProgram } from "./program.ts";
import { programTypeName } from "./program-types.ts";

export interface ProgramReport {
  id: number;
  type: string;
  /** The whole name of its function where its types tell; else what the kernel kept, at most 15 bytes. */
  name: string;
  tag: string;
  loadedAt: Date;
  uid: number;
  /** Its license lets it use all helpers. */
  gplCompatible: boolean;
  /** Slots of eBPF after the verifier's rewriting. */
  instructions: number;
  /** How many the verifier looked at; 0 before Linux 5.16. */
  verifiedInstructions: number;
  /** Bytes of machine code; 0 when it is interpreted. */
  jitedBytes: number;
  /** Bytes of memory; null when /proc does not tell. */
  memory: number | null;
  btfId: number;
  maps: { id: number; name: string; type: string }[];
  attached: Attachment[];
  /** Paths in bpffs. */
  pins: string[];
  /** Counted while statistics are on, now or before: 0 runs tell nothing. */
  runs: bigint;
  /** Nanoseconds of all these runs. */
  runTime: bigint;
  /** Runs that were left out because the program was running already on that CPU. */
  recursionMisses: bigint;
}

/** What stands around a program, read once for many of them. */
export interface Surroundings {
  attachments: readonly Attachment[];
  pins: readonly Pin[];
}

export function surroundings(): Surroundings {
  return { attachments: listAttachments(), pins: listPins() };
}

/** All programs in the kernel, in the order in which they were loaded. Needs root. @throws WirescriptError NO_PRIVILEGES */
export function listProgramReports(around: Surroundings = surroundings()): ProgramReport[] {
  return ofAllPrograms((fd) => programReport(fd, around));
}

export function programReport(fd: ProgramFd, { attachments, pins }: Surroundings): ProgramReport {
  const info = describeProgram(fd);
  const { id, tag, loadedAt, uid, xlatedBytes, verifiedInstructions, jitedBytes, btfId, mapIds, runCount, runTime } = info;
  const memory = Number(fdInfo(fd).get("memlock"));
  return {
    id,
    type: programTypeName(info.type),
    name: wholeName(fd, info.name, btfId),
    tag,
    loadedAt,
    uid,
    gplCompatible: info.gplCompatible,
    instructions: xlatedBytes / 8,
    verifiedInstructions,
    jitedBytes,
    memory: Number.isNaN(memory) ? null : memory,
    btfId,
    maps: mapIds.flatMap(describeMap),
    attached: attachments.filter(({ programId }) => programId === id),
    pins: pins.flatMap((pin) => (pin.kind === "program" && pin.id === id ? [pin.path] : [])),
    runs: runCount,
    runTime,
    recursionMisses: info.recursionMisses,
  };
}

function describeMap(id: number): ProgramReport["maps"] {
  const fd = unlessGone(() => mapById(id));
  if (fd === null) return [];
  using map = fd;
  const { name, type } = mapInfo(map);
  return [{ id, name, type: mapTypeName(type) }];
}

/** The kernel keeps 15 bytes of a name; the types that came with the program have all of it. */
function wholeName(fd: ProgramFd, kept: string, btfId: number): string {
  if (btfId === 0 || kept.length < 15) return kept;
  const whole = sourcesOf(programDump(fd), btfId).functions.get(0);
  return whole?.startsWith(kept) === true ? whole : kept;
}
