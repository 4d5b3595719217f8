/** Which processes there are, as /proc tells it. They end while they are looked at, and some may not be looked at: those are left out. */
import { readdirSync, readFileSync } from "node:fs";

export interface RunningProcess {
  pid: number;
  /** Its name, at most 15 characters, without control characters: any process can give itself any name. */
  command: string;
}

/** The processes of this pid namespace that `wanted` says yes to; where it throws, because a file cannot be read, that is a no. */
export function processesThat(wanted: (pid: number) => boolean): RunningProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const pid = Number(name);
      try {
        if (!wanted(pid)) return [];
        const command = readFileSync(`/proc/${pid}/comm`, "utf8")
          .trim()
          .replaceAll(/\p{Cc}/gu, "·");
        return [{ pid, command }];
      } catch {
        return [];
      }
    });
}
