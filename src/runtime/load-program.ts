/** One program into the kernel: linked, with its types and lines, and with errors that say whose fault a refusal is. */
import { WirescriptError } from "../errors.ts";
import { kernelExt } from "../object/btf/ext.ts";
import type { AdaptedObject } from "../object/core/apply.ts";
import { isFragsSection, xdpPlace } from "../object/elf/program-type.ts";
import { encode } from "../object/encoding.ts";
import type { ProgramSpec } from "../object/spec.ts";
import { BPF, Fd, kernelName, type MapFd, type ProgramFd, programLoad } from "../sys/bpf.ts";
import { errnoName, LIMITS, SyscallError } from "../sys/errno.ts";
import { gplOnly } from "./gpl-only.ts";
import type { LoadedTypes } from "./load-types.ts";
import { missingInKernel } from "./missing-in-kernel.ts";
import { denied } from "./privileges.ts";
import { relocate } from "./relocate.ts";
import { needsDevice, programTarget, type TargetDevice, targetRefused } from "./target-device.ts";
import { unknownHelper } from "./unknown-helper.ts";
import { VerifierError } from "./verifier-log.ts";

/** What programs of one object have in common. */
export interface ProgramSurroundings {
  license: string;
  /** Descriptors by map name and by data section name. */
  maps: ReadonlyMap<string, MapFd>;
  types: LoadedTypes | null;
  missing: AdaptedObject["missing"];
  /** The device that they are loaded for; null for any. */
  target: TargetDevice | null;
}

const PROGRAM_TYPE = {
  xdp: BPF.BPF_PROG_TYPE_XDP,
  sched_cls: BPF.BPF_PROG_TYPE_SCHED_CLS,
  sched_act: BPF.BPF_PROG_TYPE_SCHED_ACT,
} as const;
const XDP_ATTACH_TYPE = { device: BPF.BPF_XDP, devmap: BPF.BPF_XDP_DEVMAP, cpumap: BPF.BPF_XDP_CPUMAP } as const;

/** @throws WirescriptError VERIFIER (a `VerifierError`), KERNEL, NO_PRIVILEGES. */
export function loadProgram(program: ProgramSpec, surroundings: ProgramSurroundings): ProgramFd {
  const { license, maps, types, missing, target } = surroundings;
  const { ifindex, flags } = programTarget(target, program);
  const typed = types !== null && program.functions.every((fn) => fn.typeId !== 0);
  const result = programLoad({
    name: kernelName(program.name),
    type: PROGRAM_TYPE[program.type],
    expectedAttachType: program.type === "xdp" ? XDP_ATTACH_TYPE[xdpPlace(program.section)] : 0,
    flags: flags | (isFragsSection(program.section) ? BPF.BPF_F_XDP_HAS_FRAGS : 0),
    ifindex,
    license,
    instructions: encode(relocate(program, maps)),
    ...(typed && { btf: { fd: types.fd, ...kernelExt(program.functions, types.encoded.stringOffset) } }),
  });
  if (result instanceof Fd) return result;
  const name = errnoName(result.errno);
  const judged = lastLine(result.log) !== "" && !NOT_THE_PROGRAM.has(name);
  if (judged) {
    throw (
      missingInKernel(program, missing, result.log) ??
      unknownHelper(program.name, result.log) ??
      gplOnly(program.name, license, result.log) ??
      needsDevice(program.name, result.log) ??
      new VerifierError(program, result.log)
    );
  }
  const cause = new SyscallError("bpf", result.errno, "BPF_PROG_LOAD");
  if (name === "EPERM") throw denied(`The kernel does not let this process load the program "${program.name}".`, cause);
  if (target !== null && ifindex !== 0 && ["EINVAL", "EOPNOTSUPP", "ENOTSUPP"].includes(name)) {
    throw targetRefused(`The program "${program.name}" was not loaded`, target, cause);
  }
  throw new WirescriptError({
    code: "KERNEL",
    what: `The kernel did not load the program "${program.name}": ${name}.`,
    ...(NOT_THE_PROGRAM.get(name) ??
      BEFORE_THE_VERIFIER.get(name) ?? {
        why: "It refused before the verifier looked at the program, and gave no reason.",
        fix: "Check the program's type and its instructions; the kernel may be too old for them.",
      }),
    cause,
  });
}

/** Failures without a word of the verifier. */
const BEFORE_THE_VERIFIER: ReadonlyMap<string, { why: string; fix: string }> = new Map([
  [
    "E2BIG",
    {
      why: "It has more instructions than the kernel takes: a million, and 4096 for a process without CAP_BPF.",
      fix: "Split it, and go from one part to the next by a tail call; or run it with CAP_BPF.",
    },
  ],
]);

/** Failures in which the verifier may have found nothing wrong. */
const NOT_THE_PROGRAM: ReadonlyMap<string, { why: string; fix: string }> = new Map([
  ["EAGAIN", { why: "Signals interrupted the verifier again and again.", fix: "Try again." }],
  ["EINTR", { why: "A signal interrupted it.", fix: "Try again." }],
  ...Object.entries(LIMITS),
]);

function lastLine(log: string): string {
  return log.trimEnd().split("\n").at(-1) ?? "";
}
