/**
 * The shipped programs, compiled differently: without each optimisation pass in turn, without any, and for each instruction set. The
 * code is another one each time; what it does and counts must not be.
 */
import { release } from "node:os";
import { beforeAll, describe, expect, it } from "vitest";
import type { CompileOptions } from "../../src/compiler/compile.ts";
import { PASSES } from "../../src/compiler/passes/pipeline.ts";
import { noKernel } from "../kernel.ts";
import { type Case, firstWrong, miscounted } from "./cases.ts";
import * as cases from "./echo-cases.ts";
import { PROGRAMS, type ProgramName, Subject, specOf, XDP_ABORTED, XDP_DROP, XDP_PASS } from "./subject.ts";

const CPUS = [1, 2, 3, 4] as const;
const ALL = PASSES.map(({ name }) => name);

const VARIANTS: [name: string, options: CompileOptions][] = [
  ...ALL.map((name): [string, CompileOptions] => [`without ${name}`, { disabledPasses: [name] }]),
  ...ALL.map((name): [string, CompileOptions] => [
    `with ${name} alone`,
    { disabledPasses: ALL.filter((each) => each !== name) },
  ]),
  ...CPUS.map((cpu): [string, CompileOptions] => [`for cpu v${cpu}`, { cpu }]),
  ...CPUS.map((cpu): [string, CompileOptions] => [`for cpu v${cpu}, not optimised`, { cpu, disabledPasses: ALL }]),
];

const VERDICT = { pass: XDP_PASS, drop: XDP_DROP, aborted: XDP_ABORTED } as const;

/** What `program` has to do with a fixed set of packets. */
function* casesOf(program: ProgramName): Generator<Case> {
  if (program === "echo") {
    yield* cases.everyKind();
    yield* cases.messageTypes();
    return;
  }
  for (const { what, packet } of cases.vlanStacks()) yield { what, packet, action: VERDICT[program], after: packet };
}

describe.skipIf(noKernel !== null)(`programs compiled differently${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, () => {
  const packets = new Map<ProgramName, Case[]>();
  beforeAll(() => {
    for (const program of PROGRAMS) packets.set(program, [...casesOf(program)]);
  });

  function expectRight(subject: Subject): void {
    const cases = packets.get(subject.name) ?? [];
    expect(firstWrong((packet) => subject.run(packet), cases)).toBeNull();
    expect(miscounted(subject, cases)).toBeNull();
  }

  for (const [name, options] of VARIANTS) {
    const unknown = unknownInstructions(options);
    const title = `${name}${unknown === null ? "" : ` (skipped: ${unknown})`}`;
    it.skipIf(unknown !== null)(`echo ${title}`, () => {
      using echo = new Subject("echo", specOf("echo", options));
      expectRight(echo);
    });

    if (options.cpu === undefined) continue;
    it.skipIf(unknown !== null)(`pass, drop and aborted ${title}`, () => {
      for (const program of ["pass", "drop", "aborted"] as const) {
        using subject = new Subject(program, specOf(program, options));
        expectRight(subject);
      }
    });
  }
});

/** Why this kernel cannot run code for `cpu`; null when it can. Version 4 came with Linux 6.6. */
function unknownInstructions({ cpu }: CompileOptions): string | null {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return cpu === 4 && (major < 6 || (major === 6 && minor < 6)) ? "needs Linux 6.6" : null;
}
