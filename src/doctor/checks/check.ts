/** What a check is: a function from the picture of the machine to what is wrong in it. */
import type { Finding } from "../finding.ts";
import type { Device, ProgramFacts, Snapshot, Subject, XdpOnDevice } from "../snapshot/index.ts";

export interface Check {
  /** A heading in docs/doctor.md. */
  id: string;
  find(snapshot: Snapshot): Finding[];
}

/** A check that looks at one device at a time. */
export function perSubject(id: string, find: (subject: Subject, snapshot: Snapshot) => Omit<Finding, "id">[]): Check {
  return {
    id,
    find: (snapshot) => snapshot.subjects.flatMap((subject) => find(subject, snapshot)).map((each) => ({ id, ...each })),
  };
}

/** All XDP programs that run on the device, those that another one calls included. */
export function programsOn({ xdp }: Device): ProgramFacts[] {
  return xdp.flatMap(({ program, runs }) => [program, ...runs]);
}

/** The program that the driver runs. */
export function nativeOn({ xdp }: Device): XdpOnDevice | null {
  return xdp.find(({ mode }) => mode === "native") ?? null;
}

/** `"echo" (id 12)` */
export function describeProgram({ name, id }: Pick<ProgramFacts, "name" | "id">): string {
  return `"${name}" (id ${id})`;
}

/** Every device that a packet of this one meets: itself, its targets, and the other ends of their cables; each once. */
export function concerned({ device, targets }: Subject): Device[] {
  const near = [device, ...targets.flatMap((target) => target.device ?? [])];
  return [...new Set(near.flatMap((each) => (each.peer === null ? [each] : [each, each.peer])))];
}
