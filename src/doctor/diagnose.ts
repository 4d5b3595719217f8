/** The examination: a picture of the machine, and what every check finds in it. Reads, and changes nothing. */
import { CHECKS } from "./checks/table.ts";
import type { Finding } from "./finding.ts";
import { nameOf } from "./shell.ts";
import { type SnapshotOptions, takeSnapshot } from "./snapshot/index.ts";

export interface Diagnosis {
  /** The devices that were looked at: "eth0", "veth0 (in blue)". */
  devices: string[];
  /** The likeliest causes first. */
  findings: Finding[];
}

/** @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE, NO_PRIVILEGES. */
export function diagnose(options: SnapshotOptions = {}): Diagnosis {
  const snapshot = takeSnapshot(options);
  const findings = CHECKS.flatMap((check) => check.find(snapshot));
  return { devices: snapshot.subjects.map(({ device }) => nameOf(device)), findings: withoutRepetition(findings) };
}

/** Two programs may send to one device, and its fault is one. */
function withoutRepetition(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter(({ id, place, fix }) => {
    const key = JSON.stringify([id, place, fix.command]);
    return !seen.has(key) && seen.add(key);
  });
}
