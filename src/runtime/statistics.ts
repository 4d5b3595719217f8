/** How often programs run and how long they take, counted by the kernel while this is open, and only then (Linux 5.8). */
import { programInfo } from "../sys/bpf.ts";
import { enableStatistics } from "../sys/bpf-statistics.ts";
import { isErrno } from "../sys/errno.ts";
import { ofAllPrograms } from "./kernel-objects.ts";
import { denied } from "./privileges.ts";
import { programTypeName } from "./program-types.ts";

export interface ProgramActivity {
  id: number;
  type: string;
  name: string;
  /** Since the sample before. */
  runs: bigint;
  /** Nanoseconds of these runs, all CPUs together. */
  runTime: bigint;
  runsPerSecond: number;
  /** Null when it did not run. */
  nanosecondsPerRun: number | null;
  /** Of one CPU's time: 1 is one CPU busy with nothing else; more than 1 on several CPUs. */
  cpuShare: number;
}

export class ProgramStatistics implements Disposable {
  readonly #counting: Disposable;
  #before: Map<number, { runs: bigint; runTime: bigint }>;
  #at: bigint;

  /** Starts counting. @throws WirescriptError NO_PRIVILEGES */
  constructor() {
    try {
      this.#counting = enableStatistics();
    } catch (error) {
      if (isErrno(error, "EPERM"))
        throw denied("The kernel does not let this process switch on its statistics of programs.", error);
      throw error;
    }
    this.#at = process.hrtime.bigint();
    this.#before = new Map(readAll().map(({ id, runs, runTime }) => [id, { runs, runTime }]));
  }

  /** What happened since the last sample, or since the start: all programs, in the order in which they were loaded. */
  sample(): { seconds: number; programs: ProgramActivity[] } {
    const at = process.hrtime.bigint();
    const now = readAll();
    const seconds = Number(at - this.#at) / 1e9;
    const programs = now.map(({ id, type, name, runs, runTime }) => {
      const before = this.#before.get(id) ?? { runs: 0n, runTime: 0n };
      const [more, time] = [runs - before.runs, runTime - before.runTime];
      return {
        ...{ id, type, name, runs: more, runTime: time },
        runsPerSecond: Number(more) / seconds,
        nanosecondsPerRun: more === 0n ? null : Number(time) / Number(more),
        cpuShare: Number(time) / 1e9 / seconds,
      };
    });
    this.#before = new Map(now.map(({ id, runs, runTime }) => [id, { runs, runTime }]));
    this.#at = at;
    return { seconds, programs };
  }

  /** Stops counting, unless somebody else counts too. */
  [Symbol.dispose](): void {
    this.#counting[Symbol.dispose]();
  }
}

function readAll() {
  return ofAllPrograms((fd) => {
    const { id, type, name, runCount, runTime } = programInfo(fd);
    return { id, type: programTypeName(type), name, runs: runCount, runTime };
  });
}
