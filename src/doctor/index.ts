export { CHECKS } from "./checks/table.ts";
export { type Diagnosis, diagnose } from "./diagnose.ts";
export type { Finding, Fix, Place } from "./finding.ts";
export type { SnapshotOptions } from "./snapshot/index.ts";
